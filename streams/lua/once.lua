-- Appends an entry unless that has been done under the same key, and makes the stream with its epoch if need be.
--
-- KEYS: log, epoch, the bucket's set of applications, the key
-- ARGV: an epoch to use if a new one is needed, the application, the length to keep, channel, data, milliseconds for which
--       the key is remembered
-- Returns {cursor, 1 if it was done before}.
local before = redis.call('GET', KEYS[4])
if before then
  return {before, 1}
end
local epoch = redis.call('GET', KEYS[2])
if not epoch or redis.call('EXISTS', KEYS[1]) == 0 then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
  redis.call('SADD', KEYS[3], ARGV[2])
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'c', ARGV[4], 'd', ARGV[5])
local cursor = epoch .. '-' .. id
redis.call('SET', KEYS[4], cursor, 'PX', ARGV[6])
return {cursor, 0}
