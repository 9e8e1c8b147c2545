#!lua
-- ages reads the last activity of a step of a user's sessions.
--
-- KEYS  1 ns:app:us:id
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 cursor, 0 to begin  3 tokens a step
-- Returns {next cursor, 0 after the last step; la in 10 digits, or ten zeros of one
-- that is over, and the token, of each, back to back}.
-- Cost: O(step).

-- include alive.lua

local now = tonumber(redis.call('TIME')[1])
local step = redis.call('SSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local found = {}
for i, token in ipairs(step[2]) do
  local h = redis.call('HMGET', ARGV[1] .. token, 'ttl', 'la', 'end')
  local la = 0
  if h[1] and alive(h[1], h[2], h[3], now) then
    la = tonumber(h[2])
  end
  found[i] = string.format('%010.0f', la) .. token
end
return {step[1], table.concat(found)}
