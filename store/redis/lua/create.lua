#!lua
-- create starts a session, and ends those of the user's others that are too many.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       5 ns:app:us:id
--       The hashes of the user's other sessions cannot be declared: their tokens
--       stand in KEYS[5].
-- ARGV  1 app  2 token  3 id  4 ip  5 ttl (seconds)  6 no_resave, 1 or ''
--       7 d, the text of a JSON object without white space, or ''
--       8 how many seconds from now the session ends whatever its activity, or ''
--       9 how many sessions the user may have with this one, or ''; then
--       10 most others to look at  11 most to end  12 the channel, see publish
-- Returns the second of now, or 0 if there were more to look at or to end: then nothing
-- is done.
-- Cost: O(log n) of the app's and of all sessions; with a limit, O(others to look at
-- + those to end * log n).

-- include alive.lua
-- include before.lua
-- include publish.lua
-- include drop.lua
-- include surplus.lua
-- include clock.lua

local app, token, id, ip, ttl = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local prefix = string.sub(KEYS[1], 1, -65)

local excess = {} -- tokens of the sessions that end
if ARGV[9] ~= '' then
  excess = surplus(prefix, KEYS[5], tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), now)
  if not excess then
    return 0
  end
end

local stamp = string.format('%d', now) .. fraction
local session = {'id', id, 'r', 1, 'w', 1, 'm', 2, 'ip', ip, 'la', now, 'ttl', ttl, 'created', now}
local window = math.max(1, math.min(60, math.floor(ttl / 10)))
if ARGV[6] == '1' then
  session[#session + 1] = 'no_resave'
  session[#session + 1] = 1
  window = 1
end
local due = now - now % window + window + ttl - 1
if ARGV[8] ~= '' then
  local last = now + tonumber(ARGV[8])
  session[#session + 1] = 'end'
  session[#session + 1] = string.format('%d', last)
  due = math.min(due, last)
end
if ARGV[7] ~= '' then
  session[#session + 1] = 'd'
  session[#session + 1] = ARGV[7]
end
redis.call('HSET', KEYS[1], unpack(session))
redis.call('ZADD', KEYS[2], stamp, token .. ':' .. id)
redis.call('ZADD', KEYS[3], 'GT', stamp, id) -- the clock may have gone back
redis.call('ZADD', KEYS[4], string.format('%d', due) .. fraction, app .. ':' .. token .. ':' .. id)
redis.call('SADD', KEYS[5], token)
for _, other in ipairs(excess) do
  drop(prefix, KEYS[2], KEYS[3], KEYS[4], ARGV[12], app, other, id)
end
return now
