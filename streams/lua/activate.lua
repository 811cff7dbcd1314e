-- Makes sure that an application's stream and its epoch exist, and says where the stream stands.
--
-- KEYS: log, epoch, the bucket's set of applications, the id of the last mark
-- ARGV: an epoch to use if a new one is needed, the application ('' for the control stream), and the position and epoch up to
--       which somebody who comes back has read or written the stream, or '' and ''
-- Returns {epoch, last id, '1' if entries were found to be lost and had not been before, else ''}
--
-- Redis may have lost its newest entries: a failover to a replica that did not have them yet, or an older state that was
-- restored. The stream shows that to whoever has seen one of them. Then an entry is appended that marks the place, after all
-- that may be lost, so that every reader comes to it, wherever and whenever, and each once.
local log, app, at = KEYS[1], ARGV[2], ARGV[3]
local epoch = redis.call('GET', KEYS[2])
if redis.call('EXISTS', log) == 0 then
  -- There is no command that makes an empty stream: a group that is made and destroyed leaves one.
  redis.call('XGROUP', 'CREATE', log, 'make', '0', 'MKSTREAM')
  redis.call('XGROUP', 'DESTROY', log, 'make')
  epoch = false -- the stream that an epoch without a stream named is lost
end
if not epoch then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
  if app ~= '' then
    redis.call('SADD', KEYS[3], app)
  end
end

local last = '0-0'
local info = redis.call('XINFO', 'STREAM', log)
for i = 1, #info, 2 do
  if info[i] == 'last-generated-id' and info[i + 1] ~= '' then
    last = info[i + 1]
  end
end

-- before compares two ids. Their numbers may be too large for Lua's.
local function before(a, b)
  local function below(x, y) return #x < #y or #x == #y and x < y end
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  return below(am, bm) or am == bm and below(as, bs)
end

-- lostAfter returns the newest id that is left of those up to at, if the entry there is lost. One that has been trimmed is
-- not: then none is older.
local function lostAfter(at)
  if #redis.call('XRANGE', log, at, at) > 0 then
    return nil
  end
  local older = redis.call('XREVRANGE', log, at, '-', 'COUNT', 1)
  if #older > 0 then
    return older[1][1]
  end
  return before(last, at) and last or nil
end

-- mark appends an entry after the position at.
local function mark(at, from)
  local id = '*'
  local millis = tonumber(string.match(at, '^(%d+)'))
  local time = redis.call('TIME')
  if time[1] * 1000 + math.floor(time[2] / 1000) <= millis then -- another machine's clock
    local next = string.format('%.0f-0', millis + 1)
    if before(last, next) then
      id = next
    end
  end
  if app == '' then
    return redis.call('XADD', log, id, 'kind', 'keys', 'app', '', 'key', '')
  end
  local data = string.format('{"app":"%s","from":"%s-%s","reason":"ahead"}', app, epoch, from)
  return redis.call('XADD', log, id, 'c', '/' .. app .. '/meta/gap', 'd', data, 'n', '1')
end

if at == '' or epoch ~= ARGV[4] then
  return {epoch, last, ''}
end
local marked, from = redis.call('GET', KEYS[4]), lostAfter(at)
if not from or marked and before(at, marked) then
  return {epoch, last, ''}
end
last = mark(at, from)
redis.call('SET', KEYS[4], last)
return {epoch, last, '1'}
