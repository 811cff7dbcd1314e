-- Has an application's channels watched. Of what was reported before anybody did, the old is forgotten without a word.
--
-- KEYS: channels (sorted set: channel to when its lease ends, in ms), the mark that changes are to be announced, number of the
--       application's members
-- ARGV: milliseconds from now, 1 if changes are to be announced
-- Returns {channels in use, members}.
if ARGV[2] == '1' then
  if redis.call('EXISTS', KEYS[2]) == 0 then
    local time = redis.call('TIME')
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000)))
  end
  redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
end
return {redis.call('ZCARD', KEYS[1]), tonumber(redis.call('GET', KEYS[3]) or '0')}
