-- Appends entries to an application's stream, all or none, and makes the stream with its epoch if need be.
--
-- KEYS: log, epoch, the bucket's set of applications[, what remembers that this has been done]
-- ARGV: an epoch to use if a new one is needed, the application, the length to keep,
--       a fingerprint of the entries and the milliseconds for which they are remembered (if there is a fourth key),
--       the epoch and position of a cursor after which nothing may be on the first entry's channel ('' and '' for none),
--       and for each entry the number of its fields and values, and these
-- Returns {'stored', where}, {'repeated', where} if it was done before, {'reused'} if that was with another fingerprint, or
-- {'changed', id of the newest on the channel or '' if that can't be told, epoch, last id}. Where is an epoch and runs of
-- ids, "<id>+<how many>" each: one after the other within a millisecond, which keeps what is remembered of a batch short.

local scan, scanBytes, page = 1000, 4194304, 25 -- entries and bytes that a condition may make Redis look at

if KEYS[4] then
  local before = redis.call('GET', KEYS[4])
  if before then
    local print, where = string.match(before, '^(%S*) (.*)$')
    if print ~= ARGV[4] then
      return {'reused'}
    end
    return {'repeated', where}
  end
end

local epoch = redis.call('GET', KEYS[2])
local there = epoch and redis.call('EXISTS', KEYS[1]) == 1

-- atMost compares two ids. Their numbers may be too large for Lua's.
local function atMost(a, b)
  local function below(x, y) return #x < #y or #x == #y and x < y end
  local am, as = string.match(a, '^(%d+)-(%d+)$')
  local bm, bs = string.match(b, '^(%d+)-(%d+)$')
  return below(am, bm) or am == bm and not below(bs, as)
end

-- standing returns the last id ever made, and whether everything after a position is still there.
local function standing(position)
  local info, kept = redis.call('XINFO', 'STREAM', KEYS[1]), {}
  for i = 1, #info, 2 do
    kept[info[i]] = info[i + 1]
  end
  local last = kept['last-generated-id']
  if last == nil or last == '' then
    last = '0-0'
  end
  local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
  local reaches = kept['entries-added'] == kept['length'] or position == last
    or #first > 0 and atMost(first[1][1], position)
  return last, reaches and atMost(position, last)
end

-- newer returns the id of the newest entry on a channel after a position: false if there is none, '' if it is too far back.
local function newer(channel, position)
  local to, entries, bytes = '+', 0, 0
  while entries < scan and bytes < scanBytes do
    local found = redis.call('XREVRANGE', KEYS[1], to, '(' .. position, 'COUNT', page)
    for _, entry in ipairs(found) do
      local value = {}
      for i = 1, #entry[2], 2 do
        value[entry[2][i]] = entry[2][i + 1]
        bytes = bytes + #entry[2][i + 1]
      end
      if value['c'] == channel and not value['n'] then
        return entry[1]
      end
    end
    if #found < page then
      return false
    end
    entries, to = entries + page, '(' .. found[page][1]
  end
  return ''
end

if ARGV[6] ~= '' then
  if not there then
    return {'changed', '', '', ''}
  end
  local last, reaches = standing(ARGV[7])
  local newest = ''
  if epoch == ARGV[6] and reaches then
    newest = newer(ARGV[10], ARGV[7])
  end
  if newest then
    return {'changed', newest, epoch, last}
  end
end

if not there then
  epoch = ARGV[1]
  redis.call('SET', KEYS[2], epoch)
  redis.call('SADD', KEYS[3], ARGV[2])
end

local where, at = {epoch}, 8
local millis, first, count = '', 0, 0
local function close()
  if count > 0 then
    where[#where + 1] = string.format('%s-%.0f+%d', millis, first, count)
  end
end
while ARGV[at] do
  local fields = tonumber(ARGV[at])
  local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, at + 1, at + fields))
  at = at + fields + 1
  local m, s = string.match(id, '^(%d+)-(%d+)$')
  if m ~= millis or tonumber(s) ~= first + count then
    close()
    millis, first, count = m, tonumber(s), 0
  end
  count = count + 1
end
close()
local all = table.concat(where, ' ')
if KEYS[4] then
  redis.call('SET', KEYS[4], ARGV[4] .. ' ' .. all, 'PX', ARGV[5])
end
return {'stored', all}
