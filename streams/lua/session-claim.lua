-- Makes a node the owner of a session. Until the owner says otherwise, its positions in the streams say nothing about the
-- session: it may have to catch up first.
--
-- KEYS: session
-- ARGV: node, time to live in milliseconds, transport
-- Returns the fields and values of the session as they were before; none if there is no such session.
local record = redis.call('HGETALL', KEYS[1])
if #record == 0 then
  return record
end
local fence = 0
for i = 1, #record, 2 do
  if record[i] == 'fence' then
    fence = tonumber(record[i + 1])
  end
end
redis.call('HSET', KEYS[1], 'fence', string.format('%d', fence + 1), 'owner', ARGV[1], 'attached', '1', 'behind', '1',
  'transport', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return record
