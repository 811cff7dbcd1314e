-- Appends one entry to a stream that is there, unless that has been done before: what append.lua does for most publishes
-- that must not be repeated, in half of its commands.
--
-- KEYS: log, epoch, what remembers that this has been done
-- ARGV: the length to keep, a fingerprint of the entry, the milliseconds for which it is remembered, and the entry's fields
--       and values
-- Returns what append.lua does, or {'none'} if there is no stream. What is remembered is the same, too.

local known = redis.call('MGET', KEYS[3], KEYS[2])
local before, epoch = known[1], known[2]
if before then
  local print, where = string.match(before, '^(%S*) (.*)$')
  if print ~= ARGV[2] then
    return {'reused'}
  end
  return {'repeated', where}
end
local id = epoch and redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 4))
if not id then
  return {'none'}
end
local where = epoch .. ' ' .. id .. '+1'
redis.call('SET', KEYS[3], ARGV[2] .. ' ' .. where, 'PX', ARGV[3])
return {'stored', where}
