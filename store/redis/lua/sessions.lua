#!lua
-- sessions reads sessions by their keys, without counting as activity.
--
-- KEYS  ns:app:token of each
-- ARGV  1 bytes a chunk
-- Returns a list of sessions as render makes them. It is shorter than KEYS when the
-- chunk's bytes were reached.
-- Cost: O(keys).

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include listed.lua

local now = tonumber(redis.call('TIME')[1])
local budget, found = tonumber(ARGV[1]), {}
for i, key in ipairs(KEYS) do
  if budget <= 0 then
    break
  end
  found[i] = listed(key, now)
  budget = budget - #found[i]
end
return found
