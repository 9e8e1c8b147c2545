#!lua
-- create starts a session.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       5 ns:app:us:id
-- ARGV  1 app  2 token  3 id  4 ip  5 ttl (seconds)  6 no_resave, 1 or ''
--       7 d, the text of a flat JSON object, or ''
-- Returns 1.
-- Cost: O(log n) of the app's and of all sessions.

-- include clock.lua

local app, token, id, ip, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local stamp = string.format('%d', now) .. fraction

local session = {'id', id, 'r', 1, 'w', 1, 'm', 2, 'ip', ip, 'la', now, 'ttl', ttl}
local window = math.max(1, math.min(60, math.floor(ttl / 10)))
if ARGV[6] == '1' then
  session[#session + 1] = 'no_resave'
  session[#session + 1] = 1
  window = 1
end
if ARGV[7] ~= '' then
  session[#session + 1] = 'd'
  session[#session + 1] = ARGV[7]
end
redis.call('HSET', KEYS[1], unpack(session))
redis.call('ZADD', KEYS[2], stamp, token .. ':' .. id)
redis.call('ZADD', KEYS[3], stamp, id)
redis.call('ZADD', KEYS[4], string.format('%d', now - now % window + window + ttl - 1) .. fraction,
  app .. ':' .. token .. ':' .. id)
redis.call('SADD', KEYS[5], token)
return 1
