#!lua
-- get reads a batch of sessions and counts each read as activity.
--
-- KEYS  1 ns:SESSIONS
--       then, of each app: ns:app:_sessions, ns:app:_users, ns:app:token of each
--       session; if the token is an old one, that of the session cannot be declared,
--       nor can ns:app:us:id: the id stands in the hash
-- ARGV  1 e if Redis can evict, see touch, d if details are asked for, c if answers are
--       to be kept, several, or ''
--       then, of each app: its name, how many sessions it has, and how often each is
--       read, with a space after each number, or '' if all are read once
--       In the place of a number may stand "n+m@t": n reads now, and m late ones, of which
--       the latest was in second t; with n 0, none now.
-- Returns one text. Of each session, in the order of KEYS, it holds a header line
-- "#id #ip #d r w ttl idle no_resave", with r as it was before, and then id, ip
-- and d, back to back, with details as render makes it; or the line "-" if there is no such session; or "!" and
-- what is wrong with the one stored. With d and c, the first line is the time, and each header
-- ends with the last second of the session whatever its activity, or 0.
-- 2 is added to no_resave if the token is an old one.
-- Cost: O(sessions), and O(log n) for each whose window is over.
--
-- The zsets are written once a batch: a command costs Redis more than its
-- arguments. (What touch and render of the includes do for one session is
-- written out here for many; touch says when an index is written.)

-- include read.lua
-- include alias.lua
-- include clock.lua
-- include details.lua

local call, format = redis.call, string.format

-- counter reports whether a field is a number that the reader of the reply takes.
-- One session that is not as it should be must not fail the others.
local function counter(n)
  return n and n >= 0 and n <= 1e15 and n % 1 == 0
end

local evicts, detailed = string.find(ARGV[1], 'e', 1, true), string.find(ARGV[1], 'd', 1, true)
local kept = string.find(ARGV[1], 'c', 1, true)

local function fetch(key)
  if detailed then
    return read(key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', 'd', 'm', 'end', 'created', 'first', 'root')
  end
  return read(key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', 'd', 'm', 'end')
end

local second = format('%d', now)
local stamp = second .. fraction
local users_start = now - now % 10
local out, due = {}, {} -- due: scores and members for SESSIONS
if kept then
  out[1] = stamp .. '\n'
end
local first = 2
for a = 2, #ARGV, 3 do
  local app, sessions = ARGV[a], tonumber(ARGV[a + 1])
  local counts = ARGV[a + 2] ~= '' and string.gmatch(ARGV[a + 2], '(%d+)%+?(%d*)@?(%d*) ')
  local active, moved = {}, {} -- scores and members for _users, for _sessions
  for k = first + 2, first + 1 + sessions do
    local key = KEYS[k]
    local reads, late, at = 1, 0, nil
    if counts then
      reads, late, at = counts()
      reads, late, at = tonumber(reads), tonumber(late) or 0, tonumber(at)
    end
    local h = fetch(key)
    local old = 0
    if not h[1] and (h[10] or reads == 0) then -- an old token
      key = follow(key, reads > 0 and h[10], reads > 0 and now)
      h = key and fetch(key) or {}
      old = 2
    end
    local id, r, w, ttl, la = h[1], tonumber(h[2]), tonumber(h[3]), tonumber(h[4]), tonumber(h[5])
    local last = tonumber(h[10] or math.huge)
    if h.err then
      out[#out + 1] = '!' .. string.gsub(h.err, '\n', ' ') .. '\n'
    elseif not id then
      out[#out + 1] = '-\n'
    elseif not (counter(r) and counter(w) and ttl and la and last and ttl <= 1e15 and la >= 0 and h[6]) then
      out[#out + 1] = '!a field of the hash is missing or is not a number\n'
    elseif ttl < now - la or last < now then
      out[#out + 1] = '-\n'
    else
      local idle, no_resave = now - la, h[7] == '1'
      local ours = tonumber(h[9]) == r + w
      local used, second, stamp, users_start = now, second, stamp, users_start
      if at then -- late reads do not move la to now, and never back
        r = r + late
        used = reads > 0 and now or math.max(la, math.min(at, now))
        if used < now then
          second = format('%d', used)
          stamp, users_start = second .. fraction, used - used % 10
        end
        idle = math.min(idle, math.max(0, now - at))
      end
      local passed = used - la
      if passed < 1 then
        if ours then
          call('HSET', key, 'r', format('%d', r + reads), 'm', format('%d', r + reads + w))
        else
          call('HINCRBY', key, 'r', late + reads)
        end
      else
        local window = 1
        if no_resave then
          ttl = ttl - passed
          call('HSET', key, 'r', format('%d', r + reads), 'm', format('%d', r + reads + w), 'la', second, 'ttl', format('%d', ttl))
        else
          window = math.max(1, math.min(60, math.floor(ttl / 10)))
          call('HSET', key, 'r', format('%d', r + reads), 'm', format('%d', r + reads + w), 'la', second)
        end
        local start = used - used % window
        local all = la < start or not ours or evicts
        if all or la < users_start then
          active[#active + 1] = stamp
          active[#active + 1] = id
        end
        if all then
          local token = string.sub(key, -64)
          call('SADD', string.sub(key, 1, -65) .. 'us:' .. id, token)
          local member = token .. ':' .. id
          moved[#moved + 1] = stamp
          moved[#moved + 1] = member
          due[#due + 1] = format('%d', math.min(start + window + ttl - 1, last)) .. fraction
          due[#due + 1] = app .. ':' .. member
        end
      end
      local ip, d = h[6], h[8] or ''
      local head = format('%d %d %d %d %d %d %d %d', #id, #ip, #d, r, w, ttl, math.max(0, idle), (no_resave and 1 or 0) + old)
      if detailed then
        local created, first = details(h[11], h[12], h[13])
        local tail = kept and format(' %d\n', last < math.huge and last or 0) or '\n'
        out[#out + 1] = format('%s %d %d %d', head, created, math.min(math.max(now, la) + ttl, last), #first)
          .. tail .. id .. ip .. d .. first
      else
        out[#out + 1] = head .. '\n' .. id .. ip .. d
      end
    end
  end
  if #active > 0 then
    call('ZADD', KEYS[first + 1], 'GT', unpack(active))
  end
  if #moved > 0 then
    call('ZADD', KEYS[first], unpack(moved))
  end
  first = first + 2 + sessions
end
if #due > 0 then
  call('ZADD', KEYS[1], unpack(due))
end
return table.concat(out)
