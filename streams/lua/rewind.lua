-- Finds the entry after which a given number of entries follow.
--
-- KEYS: log
-- ARGV: that number
-- Returns {id of that entry, id of the oldest entry, Redis' time in milliseconds}. The first is '' if no more than that
-- many are kept, the second if none is.
local after, oldest = '', ''
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1] + 1)
if #newest > tonumber(ARGV[1]) then
  after = newest[#newest][1]
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #first > 0 then
  oldest = first[1][1]
end
local now = redis.call('TIME')
return {after, oldest, string.format('%d', now[1] * 1000 + math.floor(now[2] / 1000))}
