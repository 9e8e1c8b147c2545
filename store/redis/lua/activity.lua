#!lua
-- activity counts the users of an app that were active lately.
--
-- KEYS  1 ns:app:_users
-- ARGV  1 dt (seconds)
-- Returns how many had their last activity at most dt seconds ago.
-- Cost: O(log n) of the app's users.

local now = tonumber(redis.call('TIME')[1])
return redis.call('ZCOUNT', KEYS[1], now - tonumber(ARGV[1]), '+inf')
