#!lua flags=allow-oom
-- killall ends a step of an app's sessions, those longest idle first.
--
-- KEYS  1 ns:app:_sessions  2 ns:app:_users  3 ns:SESSIONS
--       The hashes and users' sets cannot be declared: their names stand in
--       KEYS[1].
-- ARGV  1 app  2 "ns:app:"  3 the channel, see publish  4 sessions a step
-- Returns how many entries of the index it took, alive or not. Fewer than a step
-- means that it was the last.
-- Cost: O(step * log n).

-- include publish.lua
-- include sweep.lua

local members = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[4]) - 1)
local tokens, ids = {}, {}
for _, member in ipairs(members) do
  -- An id may hold colons, a token does not.
  local token, id = string.match(member, '^([^:]*):(.*)$')
  if token then
    tokens[#tokens + 1] = token
    ids[#ids + 1] = id
  else
    redis.call('ZREM', KEYS[1], member)
  end
end
sweep(ARGV[2], KEYS[1], KEYS[2], KEYS[3], ARGV[3], ARGV[1], tokens, ids)
return #members
