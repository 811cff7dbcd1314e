-- Removes a session.
--
-- KEYS: session
-- Returns {owner, attached, and the rooms that it subscribes to, maybe with wildcards} as they were; none if there is no
-- such session.
local was = redis.call('HMGET', KEYS[1], 'owner', 'attached')
was[1], was[2] = was[1] or '', was[2] or '0'
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  local room = string.match(field, '^s:(/[^/]+/presence/.*)$')
  if room then
    was[#was + 1] = room
  end
end
if redis.call('DEL', KEYS[1]) == 0 then
  return {}
end
return was
