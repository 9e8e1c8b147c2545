#!lua
-- begin tells when a list begins, by the clock that stamps activity.
--
-- KEYS  1 ns:app:_sessions, which it does not look at: it names the node
-- ARGV  none
-- Returns {seconds, microseconds from 1 on}.
-- Cost: O(1).

local time = redis.call('TIME')
return {tonumber(time[1]), math.max(1, time[2] or 0)}
