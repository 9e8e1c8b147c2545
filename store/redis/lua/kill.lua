#!lua flags=allow-oom
-- kill ends sessions. Those whose time is over are left to the wiper.
--
-- KEYS  1 ns:SESSIONS
--       then, of each app: ns:app:_sessions, ns:app:_users, ns:app:token of each session
--       ns:app:us:id cannot be declared: the id stands in the hash. Nor can the
--       session's key if the token is an old one.
-- ARGV  1 the channel, see publish
--       then, of each app: its name and how many sessions it has
-- Returns for each, in the order of KEYS, 1 if there was one, or 2 if the token is an old
-- one of it, else 0, or an error if what is stored is no session. For one alone, its reply
-- itself.
-- Cost: O(log n) of the app's and of all sessions, each.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include publish.lua
-- include drop.lua

local now = tonumber(redis.call('TIME')[1])

-- find returns the key and the user of the session at key, if it is alive, or nil.
local function find(key)
  local h = redis.call('HMGET', key, 'id', 'ttl', 'la', 'end')
  if not h[1] and h[4] then
    key = follow(key, h[4], now)
    h = key and redis.call('HMGET', key, 'id', 'ttl', 'la', 'end') or {}
  end
  if h[1] and alive(h[2], h[3], h[4], now) then
    return key, h[1]
  end
end

-- One alone needs no lists, and its error is that of the call.
if #ARGV == 3 and ARGV[3] == '1' then
  local key, id = find(KEYS[4])
  if key then
    drop(string.sub(key, 1, -65), KEYS[2], KEYS[3], KEYS[1], ARGV[1], ARGV[2], string.sub(key, -64), id)
    return key == KEYS[4] and 1 or 2
  end
  return 0
end

-- include attempt.lua
-- include sweep.lua

local channel = ARGV[1]

-- find_next gives the session of find a place in found, unless it has one: the same session
-- does not end twice.
local function find_next(given, found)
  local key, id = find(given)
  if not key or found[key] then
    return 0
  end
  local n = #found.tokens + 1
  found[key], found.tokens[n], found.ids[n] = true, string.sub(key, -64), id
  return key == given and 1 or 2
end

local replies = {}
local k = 2
for a = 2, #ARGV, 2 do
  local app, sessions, first = ARGV[a], tonumber(ARGV[a + 1]), #replies + 1
  local found = {tokens = {}, ids = {}}
  for i = k + 2, k + 1 + sessions do
    replies[#replies + 1] = attempt(find_next, KEYS[i], found)
  end
  local prefix = string.sub(KEYS[k + 2], 1, -65)
  local swept
  if #found.tokens > 1 then
    swept = attempt(sweep, prefix, KEYS[k], KEYS[k + 1], KEYS[1], channel, app, found.tokens, found.ids)
  end
  if type(swept) ~= 'number' then -- each alone, as a key of one may have failed them all
    local n = 0
    for i = first, #replies do
      if replies[i] == 1 or replies[i] == 2 then
        n = n + 1
        local done = attempt(drop, prefix, KEYS[k], KEYS[k + 1], KEYS[1], channel, app, found.tokens[n], found.ids[n])
        replies[i] = done == 1 and replies[i] or done
      end
    end
  end
  k = k + 2 + sessions
end
return replies
