#!lua
-- mark writes into an app's index that a list holds sessions whose last activity
-- was in the second in which it began, so that moved can tell them from those that
-- the list may have missed. It is no activity: their entries only become as exact as
-- an entry may be. Another list that began in that second may hold such a session
-- twice, since it finds it moved.
--
-- KEYS  1 ns:app:_sessions
-- ARGV  1 start, as scores have it
--       then the members
-- Returns how many it changed.
-- Cost: O(members * log n).

local marks = {}
for i = 2, #ARGV do
  marks[#marks + 1] = ARGV[1]
  marks[#marks + 1] = ARGV[i]
end
return redis.call('ZADD', KEYS[1], 'XX', 'GT', 'CH', unpack(marks))
