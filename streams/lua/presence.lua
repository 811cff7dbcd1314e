-- What stands before each of the scripts of a room. A seat is a session in a room; a user is there while it has one.
--
-- KEYS: log, epoch, the bucket's set of applications, users of the room, seats of the room, number of the application's
--       members, leases of the bucket
-- ARGV: an epoch to use if a new one is needed, the application, the length to keep, the room, a session
local log, users, seats, members, leases = KEYS[1], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local room, session = ARGV[4], ARGV[5]
local lease = session .. ' ' .. room
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

local function announce(data)
  epochOf()
  redis.call('XADD', log, 'MAXLEN', '~', ARGV[3], '*', 'c', room, 'd', data, 'n', '1')
end

-- Whether a user is there: its seats and its data.
local function find(user)
  local seated, data = string.match(redis.call('HGET', users, user) or '', '^(%d+) (.*)$')
  return tonumber(seated or 0), data
end

local function put(user, seated, data)
  redis.call('HSET', users, user, string.format('%d', seated) .. ' ' .. data)
end

-- Takes the session from its seat. It returns 1 if it had one.
local function leave()
  redis.call('ZREM', leases, lease)
  local user = redis.call('HGET', seats, session)
  if not user then
    return 0
  end
  redis.call('HDEL', seats, session)
  local seated, data = find(user)
  if seated > 1 then
    put(user, seated - 1, data)
  elseif data then
    redis.call('HDEL', users, user)
    redis.call('DECR', members)
    announce('{"unsubscribe":{' .. cjson.encode(user) .. ':null}}')
  end
  return 1
end

-- A page of the room: {epoch, last id of the stream, members, where the next page begins or '0', users and data}. It holds
-- all that are there if that is no more than limit, else about as many as that.
local function list(from, limit)
  local count = redis.call('HLEN', users)
  local found = {}
  if from == '0' and count <= limit then
    found = redis.call('HGETALL', users)
  else
    repeat
      local page = redis.call('HSCAN', users, from, 'COUNT', limit)
      from = page[1]
      for _, text in ipairs(page[2]) do
        found[#found + 1] = text
      end
    until from == '0' or #found >= 2 * limit
  end
  local epoch, last = epochOf(), '0-0'
  local info = redis.call('XINFO', 'STREAM', log)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' and info[i + 1] ~= '' then
      last = info[i + 1]
    end
  end
  return {epoch, last, count, from, found}
end
