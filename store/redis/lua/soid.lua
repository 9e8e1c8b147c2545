#!lua
-- soid reads one page of a user's sessions.
--
-- KEYS  1 ns:app:us:id
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 cursor, 0 to begin  3 tokens a page  4 bytes a page
-- Returns {next cursor, 0 after the last page; the page's tokens; their sessions
-- as render makes them}. The third list is shorter than the second when the
-- page's bytes were reached: the rest is for sessions.
-- Cost: O(page).

-- include session.lua

local now = tonumber(redis.call('TIME')[1])
local page = redis.call('SSCAN', KEYS[1], ARGV[2], 'COUNT', ARGV[3])
local budget, found = tonumber(ARGV[4]), {}
for i, token in ipairs(page[2]) do
  if budget <= 0 then
    break
  end
  found[i] = render(load(ARGV[1] .. token, now))
  budget = budget - #found[i]
end
return {page[1], page[2], found}
