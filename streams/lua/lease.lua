-- Leases tokens of a bucket to a node: a token is a message that may be published.
--
-- KEYS: the bucket
-- ARGV: tokens per second, tokens at most, how many the node would like, how many it needs at least, the node
-- Returns {tokens granted, tokens left, milliseconds until there are as many as it needs, nodes that ask these days}.
-- Fields of the bucket: t tokens, at the moment they were counted in milliseconds, and n-<node> when that node last asked.
local rate, most, wanted, least = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local day = 86400000 -- milliseconds
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local tokens, at, nodes = most, now, 1
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local name, value = all[i], tonumber(all[i + 1])
  if name == 't' then
    tokens = value
  elseif name == 'at' then
    at = value
  elseif name ~= 'n-' .. ARGV[5] then
    if now - value > 10000 then
      redis.call('HDEL', KEYS[1], name)
    else
      nodes = nodes + 1
    end
  end
end
tokens = math.min(most, tokens + math.max(0, now - at) * rate / 1000)

local granted = math.min(wanted, math.floor(tokens))
local wait = 0
if granted < least then
  granted, wait = 0, math.min(day, math.ceil((least - tokens) / rate * 1000))
end
tokens = tokens - granted
redis.call('HSET', KEYS[1], 't', string.format('%.6f', tokens), 'at', string.format('%.0f', now), 'n-' .. ARGV[5], string.format('%.0f', now))
-- Once it would be full again it need not be kept.
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(10000, math.min(30 * day, math.ceil((most - tokens) / rate * 1000)))))
return {granted, math.floor(tokens), wait, nodes}
