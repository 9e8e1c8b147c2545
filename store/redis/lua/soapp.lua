#!lua
-- soapp finds a step of an app's sessions that were active lately: their
-- tokens and times, for sessions to read.
--
-- It walks _sessions upwards from the longest idle. A session that is active
-- during the walk moves up, ahead of the walk, so one that is there throughout
-- is never missed; it may be met twice. (A Node server may move one back by less than a
-- second: see walk in list_app.go.) The walk begins a minute early, since an entry
-- trails the hash by less than that (store.MaxWindow).
--
-- KEYS  1 ns:app:_sessions
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 dt (seconds)  3 entries a step
--       to go on, from the last reply: 4 start  5 score and  6 member of the last
--       entry; a score alone begins there, two '' begin anew
-- Returns {start, the time of the first step; how many entries are ahead,
-- with this step; score and member of the last entry, '' after the last step;
-- the sessions found: la in 10 digits and the token in 64 characters, of each,
-- back to back}.
-- Cost: O(step + log^2 n).

-- include alive.lua
-- include before.lua
-- include position.lua

local now = tonumber(redis.call('TIME')[1])
local start = tonumber(ARGV[4] or now)
local since = start - tonumber(ARGV[2])

local rank
if not ARGV[4] or ARGV[5] == '' then
  rank = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. string.format('%.0f', since - 60))
else
  rank = position(KEYS[1], ARGV[5], ARGV[6])
end

local call, sub, byte, format = redis.call, string.sub, string.byte, string.format
local size, prefix = tonumber(ARGV[3]), ARGV[1]
local step = redis.call('ZRANGE', KEYS[1], rank, rank + size - 1, 'WITHSCORES')
local found, n = {}, 0
for i = 1, #step, 2 do
  local member = step[i]
  if byte(member, 65) == 58 then -- a colon
    local token = sub(member, 1, 64)
    local h = call('HMGET', prefix .. token, 'ttl', 'la', 'end')
    local ttl, la = tonumber(h[1]), tonumber(h[2])
    if ttl and la and la >= since and alive(ttl, la, h[3], now) then
      found[n + 1] = format('%010.0f', la)
      found[n + 2] = token
      n = n + 2
    end
  end
end
local score, member = '', ''
if #step == 2 * size then
  score, member = step[#step], step[#step - 1]
end
return {start, redis.call('ZCARD', KEYS[1]) - rank, score, member, table.concat(found)}
