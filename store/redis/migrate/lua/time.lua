#!lua
-- time tells the time by the clock that stamps activity.
--
-- KEYS  1 any key, which it does not look at: it names the node
-- ARGV  none
-- Returns {seconds, microseconds}.
-- Cost: O(1).

local time = redis.call('TIME')
return {tonumber(time[1]), tonumber(time[2])}
