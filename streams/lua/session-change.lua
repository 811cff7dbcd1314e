-- Adds subscriptions to a session and removes some, all or nothing.
--
-- KEYS: session
-- ARGV: most subscriptions that the session may have afterwards, number of patterns to remove, those, then for each to add:
--       pattern, beginning ('' if not said), '1' if a subscription that is there is to go back to it, grant
-- Returns {1, owner, attached}, {0} if that would be too many, or {-1} if there is no such session.
local fields, has, subscriptions, inApp = redis.call('HKEYS', KEYS[1]), {}, 0, {}
if #fields == 0 then
  return {-1}
end

local function appOf(pattern) return string.match(pattern, '^/([^/]+)/') or '' end

local function count(pattern, by)
  local app = appOf(pattern)
  subscriptions = subscriptions + by
  inApp[app] = (inApp[app] or 0) + by
end

for _, field in ipairs(fields) do
  has[field] = true
  local pattern = string.match(field, '^s:(.*)$')
  if pattern then
    count(pattern, 1)
  end
end

-- First on paper: what goes, what comes, and whether it fits.
local gone = {}
local function drop(field)
  if has[field] then
    has[field] = nil
    gone[#gone + 1] = field
    return true
  end
end
local first = 3 + tonumber(ARGV[2])
for i = 3, first - 1 do
  local app = appOf(ARGV[i])
  if drop('s:' .. ARGV[i]) then
    count(ARGV[i], -1)
    if inApp[app] == 0 then
      drop('c:' .. app) -- a later subscription begins anew
    end
  end
end
local grown = false
for i = first, #ARGV, 4 do
  if not has['s:' .. ARGV[i]] then
    grown = true
    count(ARGV[i], 1)
  end
end
if grown and subscriptions > tonumber(ARGV[1]) then
  return {0}
end

-- Of digits, which may be more than a Lua number holds.
local function less(a, b)
  if #a ~= #b then
    return #a < #b
  end
  return a < b
end

-- Whether cursor a is before b. Of two epochs one is of a lost stream, most likely b's: a is what was just said.
local function before(a, b)
  local epochA, millisA, seqA = string.match(a, '^([^-]*)-(%d+)-(%d+)$')
  local epochB, millisB, seqB = string.match(b, '^([^-]*)-(%d+)-(%d+)$')
  if epochA ~= epochB then
    return true
  end
  if millisA ~= millisB then
    return less(millisA, millisB)
  end
  return less(seqA, seqB)
end

-- Where an application has no cursor yet, the latest of the beginnings becomes it.
local cursors, fresh = {}, {}
for i = first, #ARGV, 4 do
  local app, from = appOf(ARGV[i]), ARGV[i + 1]
  if not cursors[app] and has['c:' .. app] then
    cursors[app] = redis.call('HGET', KEYS[1], 'c:' .. app)
  end
  if from ~= '' and (not cursors[app] or fresh[app] and before(cursors[app], from)) then
    cursors[app], fresh[app] = from, true
  end
end

for _, field in ipairs(gone) do
  redis.call('HDEL', KEYS[1], field)
end
for app in pairs(fresh) do
  set('c:' .. app, cursors[app])
end
local owner = redis.call('HMGET', KEYS[1], 'owner', 'attached')

-- A grant as JSON, with where the subscription began before it was made again, unless it goes back to something earlier.
local function began(grant, old)
  local now, rest = string.match(grant, '^{"b":"([^"]*)"(.*)$')
  local was = string.match(old, '^{"b":"([^"]*)"')
  if now and was and not before(now, was) then
    return '{"b":"' .. was .. '"' .. rest
  end
  return grant
end

for i = first, #ARGV, 4 do
  local field, from, grant = 's:' .. ARGV[i], ARGV[i + 1], ARGV[i + 3]
  local cursor = cursors[appOf(ARGV[i])]
  local old, oldGrant
  if has[field] then
    old, oldGrant = string.match(redis.call('HGET', KEYS[1], field), '^(%S*) (.*)$')
  end
  if old then
    grant = began(grant, oldGrant)
    local at = old
    if at == '' and owner[2] ~= '1' then
      at = cursor or '' -- exact only while no node delivers
    end
    if ARGV[i + 2] == '0' or from == '' or at ~= '' and not before(from, at) then
      from = old
    end
  end
  if from == cursor then
    from = ''
  end
  set(field, from .. ' ' .. grant)
end
write()
return {1, owner[1] or '', owner[2] or '0'}
