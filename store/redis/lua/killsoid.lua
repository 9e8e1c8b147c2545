#!lua flags=allow-oom
-- killsoid ends a step of a user's sessions.
--
-- KEYS  1 ns:app:us:id  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 app  2 id  3 "ns:app:"  4 the channel, see publish  5 sessions a step
--       6 the token of a session that stays, or ''; it may be an old one
--       from 7 on: the tokens of the step; without any, it is a random one
-- Returns {how many of those that ended were alive; 1 if more are left, else 0; the
-- token that the session that stays has now, for the next step}.
-- Cost: O(step * log n).

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include publish.lua
-- include sweep.lua

local now = tonumber(redis.call('TIME')[1])
local user, kept = KEYS[1], ARGV[6]
if kept ~= '' and redis.call('SISMEMBER', user, kept) == 0 then
  local key = ARGV[3] .. kept
  key = follow(key, redis.call('HGET', key, 'end'), now)
  if key then
    kept = string.sub(key, -64)
  end
end
local step
if ARGV[7] then
  step = {unpack(ARGV, 7)}
else
  step = redis.call('SRANDMEMBER', user, ARGV[5])
end
local killed = 0
local tokens, ids = {}, {}
for _, token in ipairs(step) do
  if token ~= kept then
    local h = redis.call('HMGET', ARGV[3] .. token, 'ttl', 'la', 'end')
    if h[1] and alive(h[1], h[2], h[3], now) then
      killed = killed + 1
    end
    tokens[#tokens + 1] = token
    ids[#ids + 1] = ARGV[2]
  end
end
sweep(ARGV[3], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[1], tokens, ids)
local left = redis.call('SCARD', user)
if kept ~= '' then
  left = left - redis.call('SISMEMBER', user, kept)
end
return {killed, left > 0 and 1 or 0, kept}
