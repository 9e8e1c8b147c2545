#!lua flags=allow-oom
-- killsoid ends one page of a user's sessions.
--
-- KEYS  1 ns:app:us:id  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       The session hashes cannot be declared: their tokens stand in KEYS[1].
-- ARGV  1 app  2 id  3 "ns:app:"  4 ns:cache  5 sessions a page
-- Returns {how many of those that ended were alive, 1 if more are left else 0}.
-- Cost: O(page * log n).

-- include drop.lua

local now = tonumber(redis.call('TIME')[1])
local killed = 0
for _, token in ipairs(redis.call('SRANDMEMBER', KEYS[1], ARGV[5])) do
  local h = redis.call('HMGET', ARGV[3] .. token, 'ttl', 'la')
  if h[1] and tonumber(h[1]) >= now - tonumber(h[2]) then
    killed = killed + 1
  end
  drop(ARGV[3], KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[1], token, ARGV[2])
end
return {killed, redis.call('EXISTS', KEYS[1])}
