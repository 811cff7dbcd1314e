-- Appends entries to a stream that is there, each unless that has been done before: what append.lua does for most publishes
-- that must not be repeated, for several at once and in half of its commands.
--
-- KEYS: log, epoch, and for each entry what remembers that it has been appended
-- ARGV: the length to keep, and for each entry its fingerprint, the milliseconds for which it is remembered, the number of its
--       fields and values, and these
-- Returns {} if there is no stream; else the epoch and for each entry 'stored ' or 'repeated ' and where it stands, as append.lua
-- says it, or 'reused'. What is remembered is what append.lua remembers, too.

local known = redis.call('MGET', unpack(KEYS, 2))
local epoch = known[1]
if not epoch or redis.call('EXISTS', KEYS[1]) == 0 then
  return {}
end
local results, done, at = {epoch}, {}, 2
for i = 2, #known do
  local key, print, window, fields = KEYS[i + 1], ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  local before = done[key] or known[i]
  if before then
    local as, where = string.match(before, '^(%S*) (.*)$')
    results[i] = as == print and 'repeated ' .. where or 'reused'
  else
    local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, at + 3, at + 2 + fields))
    local where = epoch .. ' ' .. id .. '+1'
    done[key] = print .. ' ' .. where
    redis.call('SET', key, done[key], 'PX', window)
    results[i] = 'stored ' .. where
  end
  at = at + 3 + fields
end
return results
