#!lua
-- create starts sessions. One may end those of its user's others that are too many.
--
-- KEYS  1 ns:SESSIONS
--       then, of each app: ns:app:_sessions, ns:app:_users, and of each session:
--       ns:app:token, ns:app:us:id
--       The hashes of the user's other sessions cannot be declared: their tokens
--       stand in ns:app:us:id.
-- ARGV  1 the channel, see publish  2 most others of a user to look at  3 most to end
--       then, of each app: its name, how many sessions it has, and of each session: its
--       id; ip; ttl (seconds); no_resave, 1 or ''; d, the text of a JSON object without
--       white space, or ''; how many seconds from now it ends whatever its activity, or
--       ''; how many sessions the user may have with this one, or ''
-- Returns for each, in the order of KEYS, the second of now; or 0 if there were more to
-- look at or to end: then nothing is done; or an error. For one alone, its reply itself.
-- Cost: O(log n) of the app's and of all sessions, each; with a limit, O(others to look
-- at + those to end * log n).

-- include alive.lua
-- include before.lua
-- include publish.lua
-- include drop.lua
-- include entries.lua
-- include surplus.lua
-- include clock.lua

local call, format = redis.call, string.format
local second = format('%d', now)
local stamp = second .. fraction
local fields = 7 -- arguments of a session

-- create starts the session at key, whose arguments begin at a. sessions and users are
-- the indexes of its app; entries is as add_user has it.
local function create(key, user, app, entries, a, sessions, users)
  local id, ip, ttl, no_resave, d, max_age, limit = unpack(ARGV, a, a + fields - 1)
  local token, excess = string.sub(key, -64), nil -- excess: tokens of the sessions that end
  if limit ~= '' then
    excess = surplus(string.sub(key, 1, -65), user, tonumber(limit), tonumber(ARGV[2]), tonumber(ARGV[3]), now)
    if not excess then
      return 0
    end
  end

  local seconds, more = tonumber(ttl), {}
  local window = math.max(1, math.min(60, math.floor(seconds / 10)))
  if no_resave == '1' then
    more = {'no_resave', '1'}
    window = 1
  end
  local due = now - now % window + window + seconds - 1
  if max_age ~= '' then
    local last = now + tonumber(max_age)
    more[#more + 1] = 'end'
    more[#more + 1] = format('%d', last)
    due = math.min(due, last)
  end
  if d ~= '' then
    more[#more + 1] = 'd'
    more[#more + 1] = d
  end
  call('SADD', user, token)
  call('HSET', key, 'id', id, 'r', '1', 'w', '1', 'm', '2', 'ip', ip, 'la', second, 'ttl', ttl, 'created', second, unpack(more))
  local member = token .. ':' .. id
  add_user(entries, users, stamp, id)
  add_session(entries, sessions, KEYS[1], stamp, format('%d', due) .. fraction, app, member)
  for _, other in ipairs(excess or {}) do
    drop(string.sub(key, 1, -65), sessions, users, KEYS[1], ARGV[1], app, other, id)
  end
  return now
end

-- One alone needs no lists, and its error is that of the call.
if #ARGV == 5 + fields then
  return create(KEYS[4], KEYS[5], ARGV[4], nil, 6, KEYS[2], KEYS[3])
end

-- include attempt.lua
-- include entry_lists.lua

local replies, wipe = {}, {}
local k, a = 2, 4
while ARGV[a] do
  local app, n, entries, first = ARGV[a], tonumber(ARGV[a + 1]), new_entries(wipe), #replies + 1
  a = a + 2
  for i = k + 2, k + 2 * n, 2 do
    replies[#replies + 1] = attempt(create, KEYS[i], KEYS[i + 1], app, entries, a, KEYS[k], KEYS[k + 1])
    a = a + fields
  end
  local failed = attempt(write_app, entries, KEYS[k], KEYS[k + 1])
  for i = first, failed and #replies or 0 do
    replies[i] = failed -- an index that is none fails all sessions of its app
  end
  k = k + 2 + 2 * n
end
write_wipe(wipe, KEYS[1])
return replies
