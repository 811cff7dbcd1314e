-- Finds the leases that have run out.
--
-- KEYS: leases of the bucket
-- ARGV: how many at most
-- Returns them, those that ran out first before the others.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%d', now), 'LIMIT', 0, ARGV[1])
