-- Takes a session from its seat in a room.
--
-- ARGV: 1 if only when the seat's lease has run out
-- Returns 1 if it had one.
if ARGV[6] == '1' then
  local due = redis.call('ZSCORE', leases, lease)
  if due and tonumber(due) > now then
    return 0
  end
end
return leave()
