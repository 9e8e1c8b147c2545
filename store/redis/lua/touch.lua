#!lua
-- touch counts as activity, without counting a read, and may change when a session
-- ends.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       If the token is an old one, the session's key cannot be declared; nor can
--       ns:app:us:id: the id stands in the hash.
-- ARGV  1 app  2 the channel, see publish  3 1 if Redis can evict, or ''
--       4 its new ttl, from now, or ''
--       5 how many seconds from now it ends whatever its activity, or ''
-- Returns the session after the change, as render makes it.
-- Cost: O(log n) as get.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include entries.lua
-- include publish.lua
-- include touch.lua
-- include clock.lua

local s, key = load(KEYS[1], now)
if not s then
  return render(s)
end
local token = string.sub(key, -64)
s.ttl = tonumber(ARGV[4]) or s.ttl
s.last = ARGV[5] ~= '' and now + tonumber(ARGV[5]) or s.last
local changed = ARGV[4] .. ARGV[5] ~= ''
touch(s, key, nil, KEYS[2], KEYS[3], KEYS[4], ARGV[1], token, now, fraction, ARGV[3] == '1', changed)
publish(ARGV[2], ARGV[1], token)
return render(s)
