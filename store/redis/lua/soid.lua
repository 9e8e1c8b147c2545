#!lua
-- soid reads a chunk of a user's sessions.
--
-- KEYS  1 ns:app:us:id
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 cursor, 0 to begin  3 sessions a chunk  4 bytes a chunk
--       5 tokens of a first chunk that is the last
-- Returns {next cursor, 0 after the last chunk; the chunk's tokens; their sessions
-- as the script sessions returns them}. The third list is shorter than the second
-- when the chunk's sessions or bytes were reached: the rest is for that script.
-- Cost: O(chunk).
--
-- A set that is not very big goes out in one piece, since SSCAN would miss a session
-- whose token changes between two chunks.

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include listed.lua

local now = tonumber(redis.call('TIME')[1])
local chunk
if ARGV[2] == '0' and redis.call('SCARD', KEYS[1]) <= tonumber(ARGV[5]) then
  chunk = {'0', redis.call('SMEMBERS', KEYS[1])}
else
  chunk = redis.call('SSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
end
local size = tonumber(ARGV[3])
local budget, found = tonumber(ARGV[4]), {}
for i, token in ipairs(chunk[2]) do
  if budget <= 0 or i > size then
    break
  end
  found[i] = listed(ARGV[1] .. token, now)
  budget = budget - #found[i]
end
return {chunk[1], chunk[2], found}
