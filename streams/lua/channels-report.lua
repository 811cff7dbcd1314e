-- Says that channels have subscribers on a node, and forgets those that nobody has said so of for too long. Both is announced
-- where it is a change, if that is wanted.
--
-- KEYS: those of notice.lua, channels (sorted set: channel to when its lease ends, in ms), the mark that changes are to be
--       announced
-- ARGV: those of notice.lua, the channel of the announcements, milliseconds from now, how many to forget at most, the channels
local channels, wanted = KEYS[4], redis.call('EXISTS', KEYS[5]) == 1
local due = string.format('%d', now + tonumber(ARGV[5]))

local function tell(what, list)
  if wanted and #list > 0 then
    announce(ARGV[4], '{"' .. what .. '":["' .. table.concat(list, '","') .. '"]}')
  end
end

local occupied = {}
for i = 7, #ARGV do
  if redis.call('ZADD', channels, due, ARGV[i]) == 1 then
    occupied[#occupied + 1] = ARGV[i]
  end
end
tell('occupied', occupied)
local vacated = redis.call('ZRANGEBYSCORE', channels, '-inf', string.format('%d', now), 'LIMIT', 0, ARGV[6])
if #vacated > 0 then
  redis.call('ZREM', channels, unpack(vacated))
end
tell('vacated', vacated)
local keep = 6 * tonumber(ARGV[5])
if redis.call('PTTL', channels) < keep then -- a report for a shorter time does not cut off the others
  redis.call('PEXPIRE', channels, keep)
end
return 1
