#!lua flags=allow-oom
-- kill ends a session. One whose time is over is left to the wiper.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       ns:app:us:id cannot be declared: the id stands in the hash. Nor can the
--       session's key if the token is an old one.
-- ARGV  1 app  2 token  3 "ns:app:"  4 the channel, see publish
-- Returns 1 if there was one, else 0.
-- Cost: O(log n) of the app's and of all sessions.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include publish.lua
-- include drop.lua

local now = tonumber(redis.call('TIME')[1])
local key = KEYS[1]
local h = redis.call('HMGET', key, 'id', 'ttl', 'la', 'end')
if not h[1] and h[4] then
  key = follow(key, h[4], now)
  h = key and redis.call('HMGET', key, 'id', 'ttl', 'la', 'end') or {}
end
if not h[1] or not alive(h[2], h[3], h[4], now) then
  return 0
end
return drop(ARGV[3], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[1], string.sub(key, -64), h[1])
