-- Prolongs leases.
--
-- KEYS: leases of the bucket
-- ARGV: milliseconds from now, the leases
-- Returns the numbers, from 0, of those that there are none of any more.
local time = redis.call('TIME')
local due = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1]))
local gone = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    redis.call('ZADD', KEYS[1], due, ARGV[i])
  else
    gone[#gone + 1] = i - 2
  end
end
return gone
