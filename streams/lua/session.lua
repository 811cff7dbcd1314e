-- What stands before each script that writes fields of a session: they are written together, as a call of a command is most
-- of what it costs.
--
-- KEYS: session
local news = {} -- fields and values

local function write()
  if #news > 0 then
    redis.call('HSET', KEYS[1], unpack(news))
    news = {}
  end
end

local function set(field, value)
  if #news == 1000 then -- a script can't pass on any number of them
    write()
  end
  news[#news + 1], news[#news + 2] = field, value
end

