#!lua
-- arrive makes the copy of a session that carry read, under a new token as another
-- user's, and counts as activity. It may be done again with the same token.
--
-- KEYS  1 ns:app:new  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       5 ns:app:us:id of the new user
-- ARGV  1 app  2 new token  3 id  4 ip, or '' to keep it  5 the token that it had
--       from 6 on: the hash, fields and values
-- Returns the session, as render makes it.
-- Cost: O(log n) of the app's and of all sessions.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include entries.lua
-- include touch.lua
-- include clock.lua

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
local s = load(KEYS[1], now)
if not s then
  redis.call('DEL', KEYS[1])
  return render(s)
end
s.id = ARGV[3]
s.ip = ARGV[4] ~= '' and ARGV[4] or s.ip
if s.first == '' then
  s.first = ARGV[5]
end
redis.call('HSET', KEYS[1], 'id', s.id, 'ip', s.ip, 'first', s.first)
redis.call('HDEL', KEYS[1], 'root')
touch(s, KEYS[1], nil, KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2], now, fraction, false, true)
return render(s)
