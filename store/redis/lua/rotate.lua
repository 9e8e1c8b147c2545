#!lua
-- rotate gives a session a new token and counts as activity. The old one stands for
-- the session until the grace is over; of one that does so already, it only tells
-- which token the session has now.
--
-- KEYS  1 ns:app:token  2 ns:app:new  3 ns:app:_sessions  4 ns:app:_users
--       5 ns:SESSIONS
--       ns:app:us:id cannot be declared: the id stands in the hash. Nor can the
--       alias of the session's first token.
-- ARGV  1 app  2 token  3 new token  4 grace (seconds)  5 the channel, see publish
--       6 1 if Redis can evict, see touch, or ''
-- Returns the session's token and then the session, as render makes it; '' if there is
-- no such session.
-- Cost: O(log n) of the app's and of all sessions.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include entries.lua
-- include publish.lua
-- include touch.lua
-- include clock.lua

local app, old, new, grace = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local s, key = load(KEYS[1], now)
if not s then
  return ''
end
if key ~= KEYS[1] then
  local token = string.sub(key, -64)
  touch(s, key, nil, KEYS[3], KEYS[4], KEYS[5], app, token, now, fraction, ARGV[6] == '1')
  publish(ARGV[5], app, token)
  return token .. render(s)
end

-- move renames an entry of an index, and raises its score by ahead.
local function move(index, from, to, ahead)
  local score = redis.call('ZSCORE', index, from)
  if score then
    redis.call('ZREM', index, from)
    redis.call('ZADD', index, string.format('%.6f', score + ahead), to)
  end
end

local prefix = string.sub(key, 1, -65)
redis.call('RENAME', key, KEYS[2])
redis.call('SREM', prefix .. 'us:' .. s.id, old)
redis.call('SADD', prefix .. 'us:' .. s.id, new)
-- Up, by as little as there is: soapp walks up, by score and then by member, and
-- would miss one that moved from ahead of it to behind it.
move(KEYS[3], old .. ':' .. s.id, new .. ':' .. s.id, 1e-6)
move(KEYS[5], app .. ':' .. old .. ':' .. s.id, app .. ':' .. new .. ':' .. s.id, 0)

local root = s.root
if not root then
  root = old
  if s.first == '' then
    s.first = old
  end
  redis.call('HSET', KEYS[2], 'root', root)
else
  redis.call('HSET', key, 'root', root)
end
redis.call('HSET', prefix .. root, 'to', new)
redis.call('EXPIRE', prefix .. root, alias_seconds)
if grace > 0 then
  redis.call('HSET', key, 'end', now + grace)
end
redis.call('EXPIRE', key, alias_seconds)

touch(s, KEYS[2], nil, KEYS[3], KEYS[4], KEYS[5], app, new, now, fraction, ARGV[6] == '1')
publish(ARGV[5], app, old)
return new .. render(s)
