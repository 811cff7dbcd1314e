-- Says what is kept of a stream that exists.
--
-- KEYS: log
-- Returns {last id ever made, id of the oldest entry or '', number of entries, number of entries ever added or ''}. The
-- last of these Redis 7 knows, and the in-process one does not.
local kept = {}
local info = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #info, 2 do
  kept[info[i]] = info[i + 1]
end
local oldest = ''
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if #first > 0 then
  oldest = first[1][1]
end
local added = kept['entries-added'] and string.format('%.0f', kept['entries-added']) or ''
return {kept['last-generated-id'] or '', oldest, string.format('%.0f', kept['length']), added}
