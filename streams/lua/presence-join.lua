-- Gives a session a seat in a room.
--
-- ARGV: user, data, the notice that says so, milliseconds for which the seat is kept, limit of the page to return, or -1
--       for a session that was there before and says nothing new
-- Returns {1 if it had no seat as that user, then what list returns}; without the latter for one that was there before. A
-- page has the user itself, if need be at its end for a second time.
local user, data, notice = ARGV[6], ARGV[7], ARGV[8]
local limit = tonumber(ARGV[10])
local first = 0
local had = redis.call('HGET', seats, session)
if had ~= user then
  first = 1
  if had then
    leave()
  end
  redis.call('HSET', seats, session, user)
end
redis.call('ZADD', leases, string.format('%d', now + tonumber(ARGV[9])), lease)

local seated, known = find(user)
if not known then
  redis.call('INCR', members)
end
if not known or limit >= 0 and known ~= data then
  put(user, math.max(1, seated + first), data)
  announce(room, notice)
elseif first == 1 then
  put(user, seated + 1, known)
end
if limit < 0 then
  return {first}
end
local page = list('0', limit)
if page[4] ~= '0' then
  page[5][#page[5] + 1] = user
  page[5][#page[5] + 1] = redis.call('HGET', users, user)
end
return {first, unpack(page)}
