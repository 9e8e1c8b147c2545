#!lua
-- set merges changes into the data of sessions, each of which counts as activity.
--
-- KEYS  1 ns:SESSIONS
--       then, of each app: ns:app:_sessions, ns:app:_users, ns:app:token of each set
--       If the token is an old one, the session's key cannot be declared; nor can
--       ns:app:us:id: the id stands in the hash.
-- ARGV  1 the channel, see publish  2 1 if Redis can evict, see touch, or ''
--       3 most bytes of d after a change, or as many as before
--       4 most bytes of d that are merged here, of all sets together
--       then, of each app: its name, how many sets it has, and of each set: what w has to
--       be, or ''; most bytes of its d that are merged here; w of the session that the
--       caller has merged, or ''; how many texts follow; and those: if the caller has
--       merged, what that made, or '' for none; else the change, keys and values, as JSON
--       without white space; no key twice, keys spelled as JSON.stringify does; null
--       removes a key
-- Returns a reply for each set, in the order of KEYS, each of which sees what those before
-- it made: the session after the change, as render makes it, without d if the caller has
-- merged. Or the set wrote nothing: if w is not as it has to be, the line "conflict" and
-- then the session as it is; if d is too long to be merged here, or w is not that of the
-- caller, {w, d}: the caller merges, and calls again; -1 if those before it left too
-- little of 4; if d would be too long, 0; an error, if what is stored is no session, or d
-- no JSON object without white space. For one alone, its reply itself.
-- Cost: O(bytes of data), O(log n) as get, each. What is merged here costs some 0.2 us a
-- byte at worst, all else 2 us a KB.
--
-- The data is never decoded: cjson would round numbers to 14 digits and lose the
-- order of keys. Nor is it looked at inside of values.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include entries.lua
-- include publish.lua
-- include touch.lua
-- include clock.lua
-- include merge.lua

local budget = tonumber(ARGV[4])

-- counter reports whether a field is a number that can be raised.
local function counter(text)
  local n = tonumber(text)
  return n and n >= 0 and n <= 1e15 and n % 1 == 0
end

-- set makes the one whose arguments begin at a, of the session at key. sessions and users
-- are the indexes of its app; entries is as add_user has it.
local function set(key, app, entries, a, sessions, users)
  local w, room, caller = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
  local s
  s, key = load(key, now, caller ~= '')
  if not s then
    return render(s)
  elseif not (counter(s.r) and counter(s.w) and s.ip) then
    return redis.error_reply('BADDATA a field of the hash is missing or is not a number')
  elseif w ~= '' and tonumber(s.w) ~= tonumber(w) then
    s = load(key, now)
    return 'conflict\n' .. render(unused(s))
  end

  local merged
  if caller ~= '' then
    if caller ~= s.w then
      s = load(key, now)
      return {s.w, s.d}
    end
    merged = ARGV[a + 4]
  elseif #s.d > room then
    return {s.w, s.d}
  elseif #s.d > budget then
    return -1
  else
    budget = budget - #s.d
    local change, order = {}, {}
    for i = a + 4, a + 3 + ARGV[a + 3], 2 do
      change[ARGV[i]] = ARGV[i + 1]
      order[#order + 1] = ARGV[i]
    end
    merged = merge(s.d, change, order)
    if not merged then
      return redis.error_reply('BADDATA d of the session is not a JSON object without white space')
    elseif #merged > tonumber(ARGV[3]) and #merged > #s.d then
      return 0
    end
  end

  s.w = string.format('%d', s.w + 1)
  local fields, token = {'w', s.w, 'd', merged}, string.sub(key, -64)
  if merged == '' then
    fields = {'w', s.w}
    redis.call('HDEL', key, 'd')
  end
  touch(s, key, entries, sessions, users, KEYS[1], app, token, now, fraction, ARGV[2] == '1', false, fields)
  publish(ARGV[1], app, token)
  if caller == '' then
    s.d = merged
  end
  return render(s)
end

-- One alone needs no lists, and its error is that of the call.
if ARGV[6] == '1' and not ARGV[11 + ARGV[10]] then
  return set(KEYS[4], ARGV[5], nil, 7, KEYS[2], KEYS[3])
end

-- include attempt.lua
-- include entry_lists.lua

local replies, wipe = {}, {}
local k, a = 2, 5
while ARGV[a] do
  local app, sets, entries, first = ARGV[a], tonumber(ARGV[a + 1]), new_entries(wipe), #replies + 1
  a = a + 2
  for i = k + 2, k + 1 + sets do
    replies[#replies + 1] = attempt(set, KEYS[i], app, entries, a, KEYS[k], KEYS[k + 1])
    a = a + 4 + ARGV[a + 3]
  end
  local failed = attempt(write_app, entries, KEYS[k], KEYS[k + 1])
  for i = first, failed and #replies or 0 do
    replies[i] = failed -- an index that is none fails all sets of its app
  end
  k = k + 2 + sets
end
write_wipe(wipe, KEYS[1])
return replies
