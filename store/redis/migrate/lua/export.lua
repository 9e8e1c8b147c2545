#!lua flags=allow-oom
-- export reads a step of an app's sessions as they are stored, those longest idle
-- first, without counting as activity: what a migration copies.
--
-- One that is active during the scan moves up, ahead of it, so none that is there
-- throughout is missed; it may be returned twice.
--
-- KEYS  1 ns:app:_sessions  2 ns:app:_users
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 entries a step  3 bytes a step
--       4 score and  5 member after which the scan goes on; without a member it
--         begins with that score
--       6 the last activity (seconds) before which a session is passed over
-- Returns {score and member of the last entry, '' after the last step; how many of
-- the entries are of sessions that expired; how many were passed over; the others}: of
-- each its score, its
-- member, the score of its user in KEYS[2] or '', and id, r, w, ttl, la, ip,
-- no_resave, d, end, root, created, first, '' where there is none; of one that cannot be read score and
-- member alone.
-- Cost: O(step + log^2 n).

-- include read.lua
-- include alive.lua
-- include before.lua
-- include position.lua
-- include stored.lua
-- include upwards.lua

local now = tonumber(redis.call('TIME')[1])
local size, budget, since = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[6])
local step = upwards(KEYS[1], ARGV[4], ARGV[5], size)
local found, over, passed, i = {}, 0, 0, 1
while i < #step and budget > 0 do
  local member, score = step[i], step[i + 1]
  local h, why = stored(ARGV[1] .. string.match(member, '^[^:]*'), now)
  if h and tonumber(h[5]) >= since then
    local entry = {score, member, redis.call('ZSCORE', KEYS[2], h[1]) or ''}
    for k = 1, 12 do
      entry[3 + k] = h[k] or ''
    end
    found[#found + 1] = entry
    budget = budget - 200 - #(h[8] or '')
  elseif h then
    passed = passed + 1
  elseif why == 'broken' then
    found[#found + 1] = {score, member}
  else
    over = over + 1
  end
  i = i + 2
end
local score, last = '', ''
if i > 2 * size or i < #step then
  score, last = step[i - 1], step[i - 2]
end
return {score, last, over, passed, found}
