#!lua
-- moved walks a step of an app's index upwards and finds sessions that were active
-- since a list began, those within a range of tokens: what PartOfApp's stage Moved
-- is made from.
--
-- One that is active during the walk moves up, ahead of it, so none is missed.
--
-- KEYS  1 ns:app:_sessions
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 "ns:app:"  2 entries a step  3 hashes a step
--       4 start (seconds) and  5 its fraction of a second, as ".123456"
--       6 token after which the range begins  7 token that is its last, or '' for
--         no end. They may be cut
--       8 score and  9 member after which the walk goes on, '' to begin
-- Returns {score and member of the last entry, '' after the last step; the tokens
-- found, back to back}.
-- Cost: O(step + log^2 n).

-- include alive.lua
-- include before.lua
-- include position.lua

local now = tonumber(redis.call('TIME')[1])
local start, low, high = tonumber(ARGV[4]), ARGV[6], ARGV[7]
local began = tonumber(ARGV[4] .. ARGV[5])

-- after reports whether a session may have been active, or moved past the list's walk,
-- since the start. If its last activity was in that second, its entry has the start
-- itself if the list holds it already (see mark); any other score may be because another
-- list has marked it, or it was rotated, or is a Node server's, of whole seconds. And
-- of a session that has been idle for a second Node moves the entry, and not la.
local function after(la, score)
  if la == start then
    return score ~= began
  end
  return la > start or score >= start
end

local score, last, rank = ARGV[8], ARGV[9], nil
if score == '' then
  -- An entry trails the hash by less than a minute (store.MaxWindow).
  rank = redis.call('ZCOUNT', KEYS[1], '-inf', string.format('(%.0f', start - 60))
else
  rank = position(KEYS[1], score, last)
end
local size, budget = tonumber(ARGV[2]), tonumber(ARGV[3])
local page = redis.call('ZRANGE', KEYS[1], rank, rank + size - 1, 'WITHSCORES')
local found = {}
local i = 1
while i < #page and budget > 0 do
  local member = page[i]
  local token = string.match(member, '^[^:]*')
  if #token == 64 and (low == '' or before(low, string.sub(token, 1, #low))) and (high == '' or before(token, high)) then
    local h = redis.call('HMGET', ARGV[1] .. token, 'ttl', 'la', 'end')
    local ttl, la = tonumber(h[1]), tonumber(h[2])
    budget = budget - 1
    if ttl and la and alive(ttl, la, h[3], now) and after(la, tonumber(page[i + 1])) then
      found[#found + 1] = token
    end
  end
  i = i + 2
end
score, last = '', ''
if i > 2 * size or i < #page then
  score, last = page[i - 1], page[i - 2]
end
return {score, last, table.concat(found)}
