#!lua flags=no-writes
-- there says which sessions are there at a given time. That of an old token is not:
-- it has another token now.
--
-- KEYS  ns:app:token of each
-- ARGV  1 the time (seconds)
-- Returns a text, of each key 1 or 0.
-- Cost: O(keys).

-- include alive.lua

local now, found = tonumber(ARGV[1]), {}
for i, key in ipairs(KEYS) do
  local h = redis.pcall('HMGET', key, 'id', 'ttl', 'la', 'end')
  -- What cannot be read is there: nothing ends for its sake.
  local gone = not h.err and (not h[1] or tonumber(h[2]) and tonumber(h[3]) and not alive(h[2], h[3], h[4], now))
  found[i] = gone and 0 or 1
end
return table.concat(found)
