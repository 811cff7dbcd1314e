-- What stands before each script that appends notices to an application's stream.
--
-- KEYS: log, epoch, the bucket's set of applications
-- ARGV: an epoch to use if a new one is needed, the application, the length to keep
local log = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The epoch of the stream, which is made anew if there is none.
local function epochOf()
  local epoch = redis.call('GET', KEYS[2])
  if not epoch or redis.call('EXISTS', log) == 0 then
    epoch = ARGV[1]
    redis.call('XGROUP', 'CREATE', log, 'make', '0', 'MKSTREAM')
    redis.call('XGROUP', 'DESTROY', log, 'make')
    redis.call('SET', KEYS[2], epoch)
    redis.call('SADD', KEYS[3], ARGV[2])
  end
  return epoch
end

local function announce(channel, data)
  epochOf()
  redis.call('XADD', log, 'MAXLEN', '~', ARGV[3], '*', 'c', channel, 'd', data, 'n', '1')
end

-- Where the stream ends: epoch and last id.
local function tail()
  local epoch, last = epochOf(), '0-0'
  local info = redis.call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' and info[i + 1] ~= '' then
      last = info[i + 1]
    end
  end
  return epoch, last
end

