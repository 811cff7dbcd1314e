-- Makes sure that an application's stream and its epoch exist, and says where the stream stands.
--
-- KEYS: log, epoch, the bucket's set of applications
-- ARGV: an epoch to use if a new one is needed, the application ('' for the control stream), the position of a reader that comes back, or ''
-- Returns {epoch, last id, last entry at or before the reader's position}; the third is '' unless the reader's own entry
-- is gone while older ones are still there, which is what a failover that lost its newest entries leaves behind.
local epoch = redis.call('GET', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 0 then
  -- There is no command that makes an empty stream: a group that is made and destroyed leaves one.
  redis.call('XGROUP', 'CREATE', KEYS[1], 'make', '0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', KEYS[1], 'make')
  epoch = false -- the stream that an epoch without a stream named is lost
end
if not epoch then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
  if ARGV[2] ~= '' then
    redis.call('SADD', KEYS[3], ARGV[2])
  end
end

local last = '0-0'
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' and info[i + 1] ~= '' then
    last = info[i + 1]
  end
end

local before = ''
if ARGV[3] ~= '' and #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) == 0 then
  local older = redis.call('XREVRANGE', KEYS[1], ARGV[3], '-', 'COUNT', 1)
  if #older > 0 then
    before = older[1][1]
  end
end
return {epoch, last, before}
