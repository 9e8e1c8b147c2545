#!lua
-- get reads a session and counts the read as activity.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
-- ARGV  1 app  2 token
-- Returns the session as render makes it, with r as it was before, or '' if
-- there is none.
-- Cost: O(log n) of the app's users; once a window also of all sessions.

-- include session.lua
-- include touch.lua

local now = tonumber(redis.call('TIME')[1])
local s = load(KEYS[1], now)
if not s then
  return ''
end
redis.call('HINCRBY', KEYS[1], 'r', 1)
touch(s, KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2], now)
return render(s)
