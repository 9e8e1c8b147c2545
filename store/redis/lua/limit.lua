#!lua flags=allow-oom
-- limit ends those of a user's sessions that are too many beside one that has come.
--
-- KEYS  1 ns:app:us:id  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 app  2 id  3 "ns:app:"  4 the channel, see publish  5 the token of the one that has come
--       6 how many sessions the user may have with it
--       7 most others to look at  8 most to end
-- Returns 1, or 0 if there were more to look at or to end: then nothing is done.
-- Cost: O(others to look at + those to end * log n).

-- include alive.lua
-- include before.lua
-- include publish.lua
-- include drop.lua
-- include surplus.lua

if redis.call('SISMEMBER', KEYS[1], ARGV[5]) == 0 then
  return 1 -- another that came ended it
end
local now = tonumber(redis.call('TIME')[1])
local excess = surplus(ARGV[3], KEYS[1], tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8]), now, ARGV[5])
if not excess then
  return 0
end
for _, other in ipairs(excess) do
  drop(ARGV[3], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[1], other, ARGV[2])
end
return 1
