#!lua flags=allow-oom
-- depart ends a session that arrive has copied, if it has not changed since.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       ns:app:us:id cannot be declared: the id stands in the hash. Nor can the
--       session's key if the token is an old one, and the alias of its first token.
-- ARGV  1 app  2 the channel, see publish  3 its version as carry returned it
-- Returns 1 if it did, 0 if there is no such session any more, 2 if it has changed.
-- Cost: O(log n) of the app's and of all sessions.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include version.lua
-- include publish.lua
-- include drop.lua
-- include clock.lua

local s, key = load(KEYS[1], now)
if not s then
  return 0
elseif version(s) ~= ARGV[3] then
  return 2
end
local prefix = string.sub(key, 1, -65)
if s.root then
  redis.call('DEL', prefix .. s.root) -- its other old tokens lead nowhere now
end
drop(prefix, KEYS[2], KEYS[3], KEYS[4], ARGV[2], ARGV[1], string.sub(key, -64), s.id)
return 1
