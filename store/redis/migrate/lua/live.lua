#!lua flags=no-writes
-- live scans a step of an app's index upwards and finds the sessions that are alive
-- at a given time: what the check at the end of a migration counts.
--
-- KEYS  1 ns:app:_sessions  2 ns:app:migrated
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 entries a step  3 the time (seconds)
--       4 1 if only those count that KEYS[2] has, else ''
--       5 score and  6 member after which the scan goes on; without a member it
--         begins with that score
-- Returns {score and member of the last entry, '' after the last step; the members
-- found}.
-- Cost: O(step + log^2 n).

-- include read.lua
-- include alive.lua
-- include before.lua
-- include position.lua
-- include stored.lua
-- include upwards.lua

local size, now = tonumber(ARGV[2]), tonumber(ARGV[3])
local step = upwards(KEYS[1], ARGV[5], ARGV[6], size)
local found = {}
for i = 1, #step, 2 do
  local token = string.match(step[i], '^[^:]*')
  if stored(ARGV[1] .. token, now) and (ARGV[4] == '' or redis.call('HGET', KEYS[2], token)) then
    found[#found + 1] = step[i]
  end
end
local score, last = '', ''
if #step == 2 * size then
  score, last = step[#step], step[#step - 1]
end
return {score, last, found}
