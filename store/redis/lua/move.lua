#!lua
-- move makes a session another user's, under a new token, and counts as activity. All
-- tokens that it had end at once.
--
-- KEYS  1 ns:app:token  2 ns:app:new  3 ns:app:_sessions  4 ns:app:_users
--       5 ns:SESSIONS  6 ns:app:us:id of the new user
--       That of the old user cannot be declared: the id stands in the hash. Nor can the
--       session's key if the token is an old one, the alias of its first token, and the
--       hashes of the new user's other sessions.
-- ARGV  1 app  2 new token  3 id  4 ip, or '' to keep it  5 the channel, see publish
--       6 how many sessions the user may have with this one, or ''
--       7 most others to look at  8 most to end
-- Returns the session, as render makes it; or, if there were more to look at or to end,
-- its token of now: then nothing is done.
-- Cost: O(log n) of the app's and of all sessions; with a limit, O(others to look at
-- + those to end * log n).

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include before.lua
-- include publish.lua
-- include drop.lua
-- include surplus.lua
-- include entries.lua
-- include touch.lua
-- include clock.lua

local s, key = load(KEYS[1], now)
if not s then
  return render(s)
end
local app, new, id = ARGV[1], ARGV[2], ARGV[3]
local old, prefix = string.sub(key, -64), string.sub(key, 1, -65)
local excess = {}
if ARGV[6] ~= '' then
  excess = surplus(prefix, KEYS[6], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), now, old)
  if not excess then
    return old
  end
end

detach(prefix, KEYS[3], KEYS[4], KEYS[5], ARGV[5], app, old, s.id)
if s.root then
  redis.call('DEL', prefix .. s.root) -- its other old tokens lead nowhere now
end
redis.call('RENAME', key, KEYS[2])
s.id = id
s.ip = ARGV[4] ~= '' and ARGV[4] or s.ip
if s.first == '' then
  s.first = old
end
redis.call('HSET', KEYS[2], 'id', s.id, 'ip', s.ip, 'first', s.first)
redis.call('HDEL', KEYS[2], 'root')
touch(s, KEYS[2], nil, KEYS[3], KEYS[4], KEYS[5], app, new, now, fraction, false, true)
for _, other in ipairs(excess) do
  drop(prefix, KEYS[3], KEYS[4], KEYS[5], ARGV[5], app, other, id)
end
return render(s)
