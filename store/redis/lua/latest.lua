#!lua
-- latest walks a step of an app's index downwards, from the last active, and finds
-- the sessions that were not active since a list began: what PartOfApp's stages
-- ByActivity and ByIndex are made from.
--
-- One that is active during the walk moves up, behind it, and may be missed; it is
-- for moved.
--
-- KEYS  1 ns:app:_sessions
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 dt (seconds)  3 entries a step
--       4 start, the second in which the list began
--       5 score and  6 member, or the beginning of one, after which the walk goes
--         on; without a member it goes on with that score
--       7 la and  8 token of a session: only those after it count, by la and then
--         token, downwards. Tokens may be cut
-- Returns {how many entries it looked at; score and member of the last one, ''
-- after the last step; the sessions found: of each a line "la score #member" and
-- then its member}.
-- Cost: O(step + log^2 n).

-- include alive.lua
-- include before.lua

local function below(score, last)
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
local since = start - tonumber(ARGV[2])
local size, last_la, last_token = tonumber(ARGV[3]), tonumber(ARGV[7]), ARGV[8]

local rank = below(ARGV[5], ARGV[6])
local page = redis.call('ZRANGE', KEYS[1], rank, rank + size - 1, 'REV', 'WITHSCORES')
local found = {}
for i = 1, #page, 2 do
  local token = string.match(page[i], '^[^:]*')
  local h = redis.call('HMGET', ARGV[1] .. token, 'ttl', 'la', 'end')
  local ttl, la = tonumber(h[1]), tonumber(h[2])
  if ttl and la and since <= la and la <= start and alive(ttl, la, h[3], now) and #token == 64
    and (la < last_la or la == last_la and before(string.sub(token, 1, #last_token), last_token)) then
    found[#found + 1] = string.format('%.0f %s %d\n', la, page[i + 1], #page[i]) .. page[i]
  end
end
local score, member = '', ''
if #page == 2 * size and tonumber(page[#page]) > since - 60 then
  score, member = page[#page], page[#page - 1]
end
return {#page / 2, score, member, table.concat(found)}
