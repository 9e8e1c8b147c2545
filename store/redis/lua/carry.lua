#!lua flags=no-writes
-- carry reads a session for a move to a user whose keys are in another slot.
--
-- KEYS  1 ns:app:token
--       If the token is an old one, the session's key cannot be declared.
-- ARGV  none
-- Returns {} if there is no such session; else {its token of now, its version, see
-- version.lua; then the hash, fields and values}.
-- Cost: O(bytes of the session).

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include version.lua
-- include clock.lua

local s, key = load(KEYS[1], now)
if not s then
  return {}
end
return {string.sub(key, -64), version(s), unpack(redis.call('HGETALL', key))}
