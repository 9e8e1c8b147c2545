#!lua
-- activity counts the users of an app that were active lately.
--
-- An entry of _users trails the user's last activity by less than 10 seconds
-- (store.UsersWindow). So of those that are less than that too old, the hashes are
-- asked: who was active is raised to where they count. When no such entry is
-- left, the count of scores is exact.
--
-- KEYS  1 ns:app:_users
--       Users' sets and session hashes cannot be declared: ids stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 dt (seconds)  3 hashes a step
--       to go on, from the last reply: 4 since  5 score and  6 member of the last
--       entry
-- Returns {how many had their last activity at or after since, or -1 if there are
-- entries to look at first; since, dt seconds before the first step; score and
-- member of the last entry looked at}.
-- Cost: O(step + log n of the app's users); a user's sessions are looked at in
-- one go.

-- include before.lua
-- include position.lua

local now = tonumber(redis.call('TIME')[1])
local since = ARGV[4] or string.format('%.0f', now - tonumber(ARGV[2]))
local after = tonumber(since)

local rank
if not ARGV[4] then
  rank = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. string.format('%.0f', after - 9))
else
  rank = position(KEYS[1], ARGV[5], ARGV[6])
end
local stop = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. since)
if rank >= stop then
  return {redis.call('ZCOUNT', KEYS[1], since, '+inf'), since, '', ''}
end

local budget = tonumber(ARGV[3])
local step = redis.call('ZRANGE', KEYS[1], rank, math.min(stop, rank + budget) - 1, 'WITHSCORES')
local last = 0
while budget > 0 and last < #step do
  local id = step[last + 1]
  last = last + 2
  for _, token in ipairs(redis.call('SMEMBERS', ARGV[1] .. 'us:' .. id)) do
    budget = budget - 1
    local la = redis.call('HGET', ARGV[1] .. token, 'la')
    if (tonumber(la) or 0) >= after then
      redis.call('ZADD', KEYS[1], 'XX', 'GT', la, id)
      break
    end
  end
end
if rank + last / 2 >= stop then
  return {redis.call('ZCOUNT', KEYS[1], since, '+inf'), since, '', ''}
end
return {-1, since, step[last], step[last - 1]}
