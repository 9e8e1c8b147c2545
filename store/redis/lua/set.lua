#!lua
-- set merges a change into a session's data and counts as activity.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       If the token is an old one, the session's key cannot be declared; nor can
--       ns:app:us:id: the id stands in the hash.
-- ARGV  1 app  2 token  3 ns:cache or ""  4 1 if Redis can evict, see touch, or ''
--       5 most bytes of d after the change, or as many as before
--       6 how many bytes of d are merged with the change here  7 w of the session that
--       the caller has merged, or ''
--       from 8 on: with 7, what that made, or '' for none; else the change, keys and
--       values, as JSON without white space; no key twice, keys spelled as
--       JSON.stringify does; null removes a key
-- Returns the session after the change, as render makes it, with 7 without d. Or, if d
-- is longer than 6 or w is not 7, writes nothing and returns {w, d}: the caller merges,
-- and calls again. Or 0, and writes nothing, if d would be too long. Fails, before any write, if what is stored in d is no JSON object
-- without white space.
-- Cost: O(bytes of data), O(log n) as get. What is merged here costs some 0.2 us a byte
-- at worst, all else 2 us a KB.
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

local merged_by_caller = ARGV[7] ~= ''
local s, key = load(KEYS[1], now, merged_by_caller)
if not s then
  return render(s)
end
local token = string.sub(key, -64)

local merged
if merged_by_caller then
  if ARGV[7] ~= s.w then
    s = load(key, now)
    return {s.w, s.d}
  end
  merged = ARGV[8]
elseif #s.d > tonumber(ARGV[6]) then
  return {s.w, s.d}
else
  local change, order = {}, {}
  for i = 8, #ARGV, 2 do
    change[ARGV[i]] = ARGV[i + 1]
    order[#order + 1] = ARGV[i]
  end
  merged = merge(s.d, change, order)
  if not merged then
    return redis.error_reply('BADDATA d of the session is not a JSON object without white space')
  elseif #merged > tonumber(ARGV[5]) and #merged > #s.d then
    return 0
  end
end

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
if not merged_by_caller then
  s.d = merged
end
return render(s)
