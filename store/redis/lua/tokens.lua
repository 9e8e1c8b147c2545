#!lua
-- tokens scans a step of a user's set for tokens within a range: what PageOfID is
-- made from. Whether their sessions are alive is for sessions to say.
--
-- KEYS  1 ns:app:us:id
-- ARGV  1 cursor, 0 to begin  2 tokens a step
--       3 token after which the range begins, which may be cut  4 token before
--         which it ends, '' for no end
-- Returns {next cursor, 0 after the last step; the tokens found, back to back}.
-- Cost: O(step).

-- include before.lua

local low, high = ARGV[3], ARGV[4]
local step = redis.call('SSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local found = {}
for _, token in ipairs(step[2]) do
  if #token == 64 and (low == '' or before(low, string.sub(token, 1, #low))) and (high == '' or before(token, high)) then
    found[#found + 1] = token
  end
end
return {step[1], table.concat(found)}
