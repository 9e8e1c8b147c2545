#!lua flags=allow-oom
-- killhandle ends the one of a user's sessions that has a handle: it looks for it in
-- a step of them.
--
-- KEYS  1 ns:app:us:id  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 app  2 id  3 "ns:app:"  4 the channel, see publish
--       5 the first 32 digits of the SHA-1 that the handle spells (store.HandleHash)
--       6 what comes before the first token in what it is the SHA-1 of
--       7 cursor, 0 to begin  8 sessions of a first step that is the last
-- Returns {how many it ended; the next cursor, 0 after the last step}. A session whose
-- time is over is left to the wiper.
-- Cost: O(step + log n).

-- include alive.lua
-- include details.lua
-- include publish.lua
-- include drop.lua

local now = tonumber(redis.call('TIME')[1])
local step = {'0'}
if ARGV[7] == '0' and redis.call('SCARD', KEYS[1]) <= tonumber(ARGV[8]) then
  step[2] = redis.call('SMEMBERS', KEYS[1])
else
  step = redis.call('SSCAN', KEYS[1], ARGV[7], 'COUNT', ARGV[8])
end
for _, token in ipairs(step[2]) do
  local h = redis.call('HMGET', ARGV[3] .. token, 'ttl', 'la', 'end', 'first', 'root')
  local _, first = details(nil, h[4], h[5])
  local hash = redis.sha1hex(ARGV[6] .. (first ~= '' and first or token))
  if string.sub(hash, 1, 32) == ARGV[5] then
    if h[1] and alive(h[1], h[2], h[3], now) then
      return {drop(ARGV[3], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[1], token, ARGV[2]), '0'}
    end
    return {0, '0'}
  end
end
return {0, step[1]}
