#!lua
-- get reads a batch of sessions and counts each read as activity, in order: a
-- session that is there twice is counted twice.
--
-- KEYS  1 ns:SESSIONS
--       then, of each app: ns:app:_sessions, ns:app:_users, ns:app:token of each
--       read
-- ARGV  of each app: its name, and how many reads it has
-- Returns one text. Of each read, in the order of KEYS, it holds a header line
-- "#id #ip #d r w ttl idle no_resave", with r as it was before, and then id, ip
-- and d, back to back; or the line "-" if there is no such session; or "!" and
-- what is wrong with the one stored.
-- Cost: O(reads * log n of the app's users); once a window also of all sessions.
--
-- The indexes are written once a batch: a command costs Redis more than its
-- arguments. (What touch and render of the includes do for one session is
-- written out here for many.)

-- include clock.lua

local call, format = redis.call, string.format

-- counter reports whether a field is a number that HINCRBY and the reader of the
-- reply take. One session that is not as it should be must not fail the others.
local function counter(text)
  return text and #text <= 15 and string.find(text, '^%d+$')
end

local second = format('%d', now)
local stamp = second .. fraction
local out = {}
local members, ends, arms = {}, {}, {} -- of SESSIONS: what to look at
local first = 2
for a = 1, #ARGV, 2 do
  local app, reads = ARGV[a], tonumber(ARGV[a + 1])
  local active, moved = {}, {} -- scores and members for _users, for _sessions
  for k = first + 2, first + 1 + reads do
    local key = KEYS[k]
    local h = redis.pcall('HMGET', key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', 'd')
    local id, ttl, la = h[1], tonumber(h[4]), tonumber(h[5])
    if h.err then
      out[#out + 1] = '!' .. string.gsub(h.err, '\n', ' ') .. '\n'
    elseif not id then
      out[#out + 1] = '-\n'
    elseif not (ttl and la and ttl <= 1e15 and la >= 0 and counter(h[2]) and counter(h[3]) and h[6]) then
      out[#out + 1] = '!a field of the hash is missing or is not a number\n'
    elseif ttl < now - la then
      out[#out + 1] = '-\n'
    else
      local idle, no_resave = now - la, h[7] == '1'
      if idle < 1 then
        idle = math.max(0, idle)
        call('HINCRBY', key, 'r', 1)
      else
        local token = string.sub(key, -64)
        local window = 1
        if no_resave then
          ttl = ttl - idle
          call('HSET', key, 'r', format('%d', h[2] + 1), 'la', second, 'ttl', format('%d', ttl))
        else
          window = math.max(1, math.min(60, math.floor(ttl / 10)))
          call('HSET', key, 'r', format('%d', h[2] + 1), 'la', second)
        end
        active[#active + 1] = stamp
        active[#active + 1] = id
        local start = now - now % window
        if la < start then
          moved[#moved + 1] = stamp
          moved[#moved + 1] = token .. ':' .. id
        end
        local n = #members + 1
        members[n], ends[n] = app .. ':' .. token .. ':' .. id, now + ttl
        arms[n] = format('%d', start + window + ttl - 1) .. fraction
      end
      local ip, d = h[6], h[8] or ''
      out[#out + 1] = format('%d %d %d %s %s %d %d %d\n', #id, #ip, #d, h[2], h[3], ttl, idle, no_resave and 1 or 0)
        .. id .. ip .. d
    end
  end
  if #active > 0 then
    call('ZADD', KEYS[first + 1], unpack(active))
  end
  if #moved > 0 then
    call('ZADD', KEYS[first], unpack(moved))
  end
  first = first + 2 + reads
end
if #members > 0 then
  local armed, due = call('ZMSCORE', KEYS[1], unpack(members)), {}
  for i = 1, #members do
    if not armed[i] or tonumber(armed[i]) <= ends[i] then
      due[#due + 1] = arms[i]
      due[#due + 1] = members[i]
    end
  end
  if #due > 0 then
    call('ZADD', KEYS[1], unpack(due))
  end
end
return table.concat(out)
