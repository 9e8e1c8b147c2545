#!lua
-- due says whether a wipe would find anything.
--
-- KEYS  1 ns:{app.tag}:SESSIONS
-- ARGV  none
-- Returns 1 or 0.
-- Cost: O(log n).

local now = redis.call('TIME')[1]
return #redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)
