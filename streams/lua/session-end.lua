-- Removes a session.
--
-- KEYS: session
-- Returns {owner, attached} as they were; none if there is no such session.
local was = redis.call('HMGET', KEYS[1], 'owner', 'attached')
if redis.call('DEL', KEYS[1]) == 0 then
  return {}
end
return was
