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
-- (What load, touch and render of the includes do is written out here, which saves a tenth
-- of a set; there it says why.)

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include entries.lua
-- include publish.lua
-- include clock.lua
-- include merge.lua

local call, format = redis.call, string.format
local channel, evicts, most, budget = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4])

-- counter reports whether a number is one that can be raised.
local function counter(n)
  return n and n >= 0 and n <= 1e15 and n % 1 == 0
end

local function fetch(key, d)
  return call('HMGET', key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', d, 'end', 'root', 'm', 'created', 'first')
end

-- set makes the one whose arguments begin at a, of the session at key. sessions and users
-- are the indexes of its app; entries is as add_user has it.
local function set(key, app, entries, a, sessions, users)
  local expected, room, caller = ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
  local wanted, old = caller == '' and 'd' or '', 0
  local h = fetch(key, wanted)
  if not h[1] and h[9] then -- an old token
    key, old = follow(key, h[9], now), 2
    h = key and fetch(key, wanted) or {}
  end
  local id, r, w, ttl, la, ip, d = h[1], tonumber(h[2]), tonumber(h[3]), tonumber(h[4]), tonumber(h[5]), h[6], h[8] or ''
  local last = tonumber(h[9] or math.huge)
  if not id or ttl and la and last and (ttl < now - la or last < now) then
    return '-\n'
  elseif not (counter(r) and counter(w) and ttl and la and last and ip) then
    return redis.error_reply('BADDATA a field of the hash is missing or is not a number')
  elseif expected ~= '' and w ~= tonumber(expected) then
    return 'conflict\n' .. render(unused(load(key, now)))
  end

  local merged
  if caller ~= '' then
    if caller ~= h[3] then
      return {h[3], load(key, now).d}
    end
    merged = ARGV[a + 4]
  elseif #d > room then
    return {h[3], d}
  elseif #d > budget then
    return -1
  else
    budget = budget - #d
    local change, stop = {}, a + 3 + ARGV[a + 3]
    for i = a + 4, stop, 2 do
      change[ARGV[i]] = ARGV[i + 1]
    end
    merged = merge(d, change, a + 4, stop)
    if not merged then
      return redis.error_reply('BADDATA d of the session is not a JSON object without white space')
    elseif #merged > most and #merged > #d then
      return 0
    end
    d = merged
  end

  local ours = tonumber(h[11]) == r + w
  local idle, used, no_resave, token = math.max(0, now - la), math.max(now, la), h[7] == '1', string.sub(key, -64)
  local second = format('%d', used)
  w = w + 1
  if idle < 1 and not ours then
    call('HSET', key, 'w', format('%d', w), 'd', merged)
  else
    call('HSET', key, 'w', format('%d', w), 'd', merged, 'la', second, 'm', format('%d', r + w))
  end
  if merged == '' then
    call('HDEL', key, 'd')
  end
  if idle >= 1 then
    local window = 1
    if no_resave then
      ttl = ttl - idle
      call('HSET', key, 'ttl', format('%d', ttl))
    else
      window = math.max(1, math.min(60, math.floor(ttl / 10)))
    end
    local stamp, start = second .. fraction, used - used % window
    local all = la < start or not ours or evicts
    if all or la < used - used % 10 then
      add_user(entries, users, stamp, id)
    end
    if all then
      call('SADD', string.sub(key, 1, -65) .. 'us:' .. id, token)
      local due = math.min(start + window + ttl - 1, last)
      add_session(entries, sessions, KEYS[1], stamp, format('%d', due) .. fraction, app, token .. ':' .. id)
    end
  end
  publish(channel, app, token)
  local created, first = details(h[12], h[13], h[10])
  return format('%d %d %d %d %d %d %d %d %d %d %d\n', #id, #ip, #d, r, w, ttl, idle, (no_resave and 1 or 0) + old,
    created, math.min(used + ttl, last), #first) .. id .. ip .. d .. first
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
