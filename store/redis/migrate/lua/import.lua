#!lua
-- import makes a copy of a session, or brings one up to date, as a migration found it
-- elsewhere. What happened to the copy here since then stands: one that was read or
-- written here is left as it is, and one that ended here is not made again.
--
-- What was copied is noted: a field of KEYS[6], the token, holds r + w of the copy
-- and the last second in which it is alive, if nobody touches it.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       5 ns:app:us:id  6 ns:app:migrated
-- ARGV  1 app  2 token  3 r + w  4 la  5 the last second in which it is alive
--       6 score in KEYS[2]  7 in KEYS[3]  8 in KEYS[4]
--       9 1 to write nothing, else ''
--       from 10 on: the hash, fields and values, id first
-- Returns what it did, or would do: "new", "newer" (the copy is brought up to date),
-- "same"; "ended": it has ended here since; "changed": it was used here since; "both":
-- and there too; "other": there is one that is no copy.
-- Cost: O(log n) of the app's and of all sessions.

local app, token, sum, la = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local id, dry = ARGV[11], ARGV[9] == '1'

local noted, due = string.match(redis.call('HGET', KEYS[6], token) or '', '^(%d+) (%d+)$')
noted = tonumber(noted)
local there = redis.call('HMGET', KEYS[1], 'id', 'r', 'w', 'la')
local what = 'new'
if there[1] then
  local now = (tonumber(there[2]) or 0) + (tonumber(there[3]) or 0)
  if not noted then
    -- Of a copy made by other means, or whose note is lost, only the note is missing.
    if there[1] ~= id or now ~= sum or tonumber(there[4]) ~= la then
      return 'other'
    end
    what = 'same'
  elseif now ~= noted then
    return sum > noted and 'both' or 'changed'
  elseif sum <= noted and la <= (tonumber(there[4]) or 0) then
    return 'same'
  else
    what = 'newer'
  end
elseif noted then
  -- It ended here; or it was over, and wiped, while it was used there.
  if sum <= noted or tonumber(redis.call('TIME')[1]) <= tonumber(due) then
    return 'ended'
  end
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  return 'other'
end
if dry then
  return what
end

redis.call('HSET', KEYS[6], token, ARGV[3] .. ' ' .. ARGV[5])
if what == 'same' then
  return what
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 10))
redis.call('ZADD', KEYS[2], ARGV[6], token .. ':' .. id)
redis.call('ZADD', KEYS[3], 'GT', ARGV[7], id)
redis.call('ZADD', KEYS[4], ARGV[8], app .. ':' .. token .. ':' .. id)
redis.call('SADD', KEYS[5], token)
return what
