-- Makes a node the owner of a session. Until the owner says otherwise, its positions in the streams say nothing about the
-- session: it may have to catch up first. Should it never say so, because it does not learn of its claim or is killed, those
-- of the owner before it are the best there is: that one is noted as "former", with the time.
--
-- KEYS: session
-- ARGV: node, time to live in milliseconds, transport
-- Returns the fields and values of the session as they were before; none if there is no such session.
local record, was = redis.call('HGETALL', KEYS[1]), {}
if #record == 0 then
  return record
end
for i = 1, #record, 2 do
  was[record[i]] = record[i + 1]
end
set('fence', string.format('%d', (tonumber(was.fence) or 0) + 1))
set('owner', ARGV[1])
set('attached', '1')
set('behind', '1')
set('transport', ARGV[3])
if was.attached == '1' and was.behind ~= '1' then
  local now = redis.call('TIME')
  set('former', was.owner .. string.format(' %d', now[1] * 1000 + math.floor(now[2] / 1000)))
end
write()
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return record
