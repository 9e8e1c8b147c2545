#!lua flags=allow-oom
-- kill ends a session. One whose time is over is left to the wiper.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       ns:app:us:id cannot be declared: the id stands in the hash.
-- ARGV  1 app  2 token  3 "ns:app:"  4 ns:cache
-- Returns 1 if there was one, else 0.
-- Cost: O(log n) of the app's and of all sessions.

-- include drop.lua

local now = tonumber(redis.call('TIME')[1])
local h = redis.call('HMGET', KEYS[1], 'id', 'ttl', 'la')
if not h[1] or tonumber(h[2]) < now - tonumber(h[3]) then
  return 0
end
return drop(ARGV[3], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[1], ARGV[2], h[1])
