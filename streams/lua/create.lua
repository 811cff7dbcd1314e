-- Appends an entry to a stream that did not exist a moment ago, and makes the stream with its epoch if it still does not.
--
-- KEYS: log, epoch, the bucket's set of applications
-- ARGV: an epoch to use if a new one is needed, the application, the length to keep, channel, data
-- Returns {epoch, id}.
local epoch = redis.call('GET', KEYS[2])
if not epoch or redis.call('EXISTS', KEYS[1]) == 0 then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
  redis.call('SADD', KEYS[3], ARGV[2])
end
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', 'c', ARGV[4], 'd', ARGV[5])
return {epoch, id}
