-- Writes what only the owner of a session knows: how far its client has got.
--
-- KEYS: session
-- ARGV: fence, time to live in milliseconds, attached, behind, answer, number of cursors, then application and cursor of each, then
--       pattern and beginning ('' if it is the cursor) of each subscription that the owner knows
-- Returns 'saved', 'gone' if there is no such session, or 'lost' if it has another fence.
--
-- What other nodes have changed meanwhile stays: subscriptions that the owner knows nothing of yet, grants, and the
-- absence of what was removed.
local record, apps = {}, {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  record[all[i]] = all[i + 1]
  local app = string.match(all[i], '^s:/([^/]+)/')
  if app then
    apps[app] = true
  end
end
if not record.fence then
  return 'gone'
end
if record.fence ~= ARGV[1] then
  return 'lost'
end

redis.call('PEXPIRE', KEYS[1], ARGV[2])
set('attached', ARGV[3])
set('behind', ARGV[4])
if ARGV[5] ~= (record.answer or '') then
  set('answer', ARGV[5])
end
if record.former then
  redis.call('HDEL', KEYS[1], 'former')
end
local subscriptions = 7 + 2 * tonumber(ARGV[6])
for i = 7, subscriptions - 1, 2 do
  local field = 'c:' .. ARGV[i]
  if apps[ARGV[i]] and record[field] ~= ARGV[i + 1] then
    set(field, ARGV[i + 1])
  end
end
for field in pairs(record) do
  local app = string.match(field, '^c:(.*)$')
  if app and not apps[app] then
    redis.call('HDEL', KEYS[1], field)
  end
end
for i = subscriptions, #ARGV, 2 do
  local field = 's:' .. ARGV[i]
  local from, grant = string.match(record[field] or '', '^(%S*) (.*)$')
  if from and from ~= ARGV[i + 1] then
    set(field, ARGV[i + 1] .. ' ' .. grant)
  end
end
write()
return 'saved'
