-- Returns the shares of all nodes whose lease has not run out.
--
-- KEYS: those of share.lua
-- Returns {node, text, node, text, …}.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], string.format('(%d', now), '+inf')) do
  local text = redis.call('HGET', KEYS[1], node)
  if text then
    found[#found + 1] = node
    found[#found + 1] = text
  end
end
return found
