#!lua
-- set merges a change into a session's data and counts as activity.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       If the token is an old one, the session's key cannot be declared; nor can
--       ns:app:us:id: the id stands in the hash.
-- ARGV  1 app  2 token  3 the channel, see publish  4 1 if Redis can evict, see touch, or ''
--       5 what w has to be, or ''  6 most bytes of d after the change, or as many as before
--       7 how many bytes of d are merged with the change here  8 w of the session that
--       the caller has merged, or ''
--       from 9 on: with 8, what that made, or '' for none; else the change, keys and
--       values, as JSON without white space; no key twice, keys spelled as
--       JSON.stringify does; null removes a key
-- Returns the session after the change, as render makes it, with 8 without d. Or writes
-- nothing: if w is not 5, it returns the line "conflict" and then the session as it is; if
-- d is longer than 7 or w is not 8, {w, d}: the caller merges, and calls again; if d would
-- be too long, 0. Fails, before any write, if what is stored in d is no JSON object without
-- white space.
-- Cost: O(bytes of data), O(log n) as get. What is merged here costs some 0.2 us a byte
-- at worst, all else 2 us a KB.
--
-- The data is never decoded: cjson would round numbers to 14 digits and lose the
-- order of keys. Nor is it looked at inside of values.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include publish.lua
-- include touch.lua
-- include clock.lua
-- include merge.lua

local merged_by_caller = ARGV[8] ~= ''
local s, key = load(KEYS[1], now, merged_by_caller)
if not s then
  return render(s)
end
if ARGV[5] ~= '' and tonumber(s.w) ~= tonumber(ARGV[5]) then
  s = load(key, now)
  return 'conflict\n' .. render(unused(s))
end
local token = string.sub(key, -64)

local merged
if merged_by_caller then
  if ARGV[8] ~= s.w then
    s = load(key, now)
    return {s.w, s.d}
  end
  merged = ARGV[9]
elseif #s.d > tonumber(ARGV[7]) then
  return {s.w, s.d}
else
  local change, order = {}, {}
  for i = 9, #ARGV, 2 do
    change[ARGV[i]] = ARGV[i + 1]
    order[#order + 1] = ARGV[i]
  end
  merged = merge(s.d, change, order)
  if not merged then
    return redis.error_reply('BADDATA d of the session is not a JSON object without white space')
  elseif #merged > tonumber(ARGV[6]) and #merged > #s.d then
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
publish(ARGV[3], ARGV[1], token)
if not merged_by_caller then
  s.d = merged
end
return render(s)
