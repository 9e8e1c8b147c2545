#!lua
-- set merges a change into a session's data and counts as activity.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       If the token is an old one, the session's key cannot be declared; nor can
--       ns:app:us:id: the id stands in the hash.
-- ARGV  1 app  2 token  3 ns:cache or ""  4 1 if Redis can evict, see touch, or ''
--       from 5 on: the change, keys and values, as JSON without white space; no key
--       twice, keys spelled as JSON.stringify does; null removes a key
-- Returns the session after the change, as render makes it. Fails, before any
-- write, if what is stored in d is no JSON object without white space.
-- Cost: O(bytes of data and change), O(log n) as get.
--
-- The data is never decoded: cjson would round numbers to 14 digits and lose the
-- order of keys. Nor is it looked at inside of values.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include session.lua
-- include touch.lua
-- include clock.lua
-- include merge.lua

local s, key = load(KEYS[1], now)
if not s then
  return render(s)
end
local token = string.sub(key, -64)

local change, order = {}, {}
for i = 5, #ARGV, 2 do
  change[ARGV[i]] = ARGV[i + 1]
  order[#order + 1] = ARGV[i]
end
local merged = merge(s.d, change, order)
if not merged then
  return redis.error_reply('BADDATA d of the session is not a JSON object without white space')
end

s.d = merged
s.w = redis.call('HINCRBY', key, 'w', 1)
if merged ~= '' then
  redis.call('HSET', key, 'd', merged)
else
  redis.call('HDEL', key, 'd')
end
touch(s, key, KEYS[2], KEYS[3], KEYS[4], ARGV[1], token, now, fraction, ARGV[4] == '1')
if ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[3], ARGV[1] .. ':' .. token)
end
return render(s)
