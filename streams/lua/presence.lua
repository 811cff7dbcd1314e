-- What stands, behind notice.lua, before each of the scripts of a room. A seat is a session in a room; a user is there while
-- it has one.
--
-- KEYS: those of notice.lua, users of the room, seats of the room, number of the application's members, leases of the bucket
-- ARGV: those of notice.lua, the room, a session
local users, seats, members, leases = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local room, session = ARGV[4], ARGV[5]
local lease = session .. ' ' .. room

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
    announce(room, '{"unsubscribe":{' .. cjson.encode(user) .. ':null}}')
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
  local epoch, last = tail()
  return {epoch, last, count, from, found}
end
