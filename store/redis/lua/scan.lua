#!lua
-- scan goes a step through an app's index and finds the sessions that were active lately:
-- their tokens and times, for the script sessions to read.
--
-- Up, from the longest idle: a session that is active meanwhile moves ahead of the scan,
-- so one that is there throughout is never missed; it may be found twice. (A Node server
-- may move one back by less than a second: see scanUp in internal/list/app.go.) Down, from
-- the latest: one that is active meanwhile may be missed. An entry trails the hash by less
-- than a minute (store.MaxWindow), so the scan begins, or ends, a minute early.
--
-- KEYS  1 ns:app:_sessions
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 entries a step  3 dt (seconds)
--       4 start, the second in which the list began, 0 if it begins now  5 up or down
--       6 score and  7 member of the last entry of the step before; both '' to begin, and
--         a score alone begins there
--       8 la and  9 token, which may be cut, of a session: only those after it are found,
--         by la and then token, downwards. Not there for all
-- Returns {start; how many entries are ahead of an upward scan, with this step; score and
-- member of the last entry, '' after the last step; the sessions found: la in 10 digits and
-- the token in 64 characters, of each, back to back}.
-- Cost: O(step + log^2 n).

-- include alive.lua
-- include before.lua
-- include position.lua

-- from_top is position going down: a rank from the top.
local function from_top(key, score, last)
  local rank = redis.call('ZCOUNT', key, '(' .. score, '+inf')
  local stop = last == '' and rank or redis.call('ZCOUNT', key, score, '+inf')
  while rank < stop do
    local middle = math.floor((rank + stop) / 2)
    if before(redis.call('ZRANGE', key, middle, middle, 'REV')[1], last) then
      stop = middle
    else
      rank = middle + 1
    end
  end
  return rank
end

local now = tonumber(redis.call('TIME')[1])
local size, start, down = tonumber(ARGV[2]), tonumber(ARGV[4]), ARGV[5] == 'down'
if start == 0 then
  start = now
end
local since = start - tonumber(ARGV[3])

local rank, step, ahead
if down then
  rank, ahead = ARGV[6] == '' and 0 or from_top(KEYS[1], ARGV[6], ARGV[7]), 0
  step = redis.call('ZRANGE', KEYS[1], rank, rank + size - 1, 'REV', 'WITHSCORES')
else
  if ARGV[6] == '' then
    rank = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. string.format('%.0f', since - 60))
  else
    rank = position(KEYS[1], ARGV[6], ARGV[7])
  end
  ahead = redis.call('ZCARD', KEYS[1]) - rank
  step = redis.call('ZRANGE', KEYS[1], rank, rank + size - 1, 'WITHSCORES')
end

local call, sub, byte, format = redis.call, string.sub, string.byte, string.format
local prefix, last_la, last_token = ARGV[1], tonumber(ARGV[8] or math.huge), ARGV[9] or ''
local found, n = {}, 0
for i = 1, #step, 2 do
  local member = step[i]
  if byte(member, 65) == 58 then -- a colon
    local token = sub(member, 1, 64)
    local h = call('HMGET', prefix .. token, 'ttl', 'la', 'end')
    local ttl, la = tonumber(h[1]), tonumber(h[2])
    if ttl and la and la >= since and alive(ttl, la, h[3], now)
      and (la < last_la or la == last_la and before(sub(token, 1, #last_token), last_token)) then
      found[n + 1] = format('%010.0f', la)
      found[n + 2] = token
      n = n + 2
    end
  end
end
local score, member = '', ''
if #step == 2 * size and not (down and tonumber(step[#step]) <= since - 60) then
  score, member = step[#step], step[#step - 1]
end
return {start, ahead, score, member, table.concat(found)}
