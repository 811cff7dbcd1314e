-- Stores a new session.
--
-- KEYS: session
-- ARGV: time to live in milliseconds, then fields and values
-- Returns 1, or 0 if there is a session of that name, which is left alone.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
for i = 2, #ARGV, 2 do
  set(ARGV[i], ARGV[i + 1])
end
write()
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
