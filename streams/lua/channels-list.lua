-- Lists the channels of an application that have subscribers.
--
-- KEYS: those of notice.lua, channels
-- ARGV: those of notice.lua, how many at most
-- Returns {epoch, last id of the stream, the channels…}.
local epoch, last = tail()
local list = redis.call('ZRANGE', KEYS[4], 0, tonumber(ARGV[4]) - 1)
return {epoch, last, list}
