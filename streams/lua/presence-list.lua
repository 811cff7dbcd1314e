-- Reads a page of a room. There is no session here.
--
-- ARGV: where the page begins, '0' for the first; limit of the page
-- Returns what list returns.
return list(ARGV[6], tonumber(ARGV[7]))
