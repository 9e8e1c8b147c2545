#!lua
-- latest walks a step of an app's index downwards, from the last active, and finds
-- sessions for a page of a list: what PageOfApp is made from. One that is active during
-- the walk moves up, and may be missed.
--
-- KEYS  1 ns:app:_sessions
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 dt (seconds)  3 entries a step
--       4 start, the second in which the list began, 0 if it begins now
--       5 score and  6 member after which the walk goes on; without a member it goes on
--         with that score, without both at the top
--       7 la and  8 token, which may be cut, of the session after which the page begins,
--         by la and then token, downwards. Not there for the first page
-- Returns {the time in seconds; score and member of the last entry, '' after the last
-- step; the sessions found, as soapp returns them}.
-- Cost: O(step + log^2 n).

-- include alive.lua
-- include before.lua

local function below(score, last)
  if score == '' then
    return 0
  end
  local rank = redis.call('ZCOUNT', KEYS[1], '(' .. score, '+inf')
  local stop = last == '' and rank or redis.call('ZCOUNT', KEYS[1], score, '+inf')
  while rank < stop do
    local middle = math.floor((rank + stop) / 2)
    local member = redis.call('ZRANGE', KEYS[1], middle, middle, 'REV')[1]
    if before(string.sub(member, 1, #last), last) then
      stop = middle
    else
      rank = middle + 1
    end
  end
  return rank
end

local now = tonumber(redis.call('TIME')[1])
local start = tonumber(ARGV[4])
local since = (start == 0 and now or start) - tonumber(ARGV[2])
local size, last_la, last_token = tonumber(ARGV[3]), tonumber(ARGV[7] or math.huge), ARGV[8] or ''

local rank = below(ARGV[5], ARGV[6])
local step = redis.call('ZRANGE', KEYS[1], rank, rank + size - 1, 'REV', 'WITHSCORES')
local found = {}
for i = 1, #step, 2 do
  local token = string.match(step[i], '^[^:]*')
  local h = redis.call('HMGET', ARGV[1] .. token, 'ttl', 'la', 'end')
  local ttl, la = tonumber(h[1]), tonumber(h[2])
  if ttl and la and since <= la and alive(ttl, la, h[3], now) and #token == 64
    and (la < last_la or la == last_la and before(string.sub(token, 1, #last_token), last_token)) then
    found[#found + 1] = string.format('%010.0f', la) .. token
  end
end
local score, member = '', ''
if #step == 2 * size and tonumber(step[#step]) > since - 60 then
  score, member = step[#step], step[#step - 1]
end
return {now, score, member, table.concat(found)}
