#!lua flags=allow-oom
-- settle ends copies of sessions that ended where they were copied from, and says of
-- others how they are.
--
-- KEYS  1 ns:app:migrated  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       then ns:app:token of each
--       ns:app:us:id cannot be declared: the id stands in the hash.
-- ARGV  1 app  2 "ns:app:"  3 the channel, see publish  4 the time (seconds)  5 1 to write nothing
--       6 a text, of each key 1 if the session is still where it was copied from
-- Returns a text, of each key: "l" it lives here, "e" it ended here alone, "d" dropped,
-- since it ended there, "k" kept: it expired there, but was used here before its time was
-- up, "g" it ended in both, or expired.
-- Cost: O(keys), O(log n) of the app's and of all sessions for each one dropped.

-- include read.lua
-- include alive.lua
-- include publish.lua
-- include drop.lua

local now, dry = tonumber(ARGV[4]), ARGV[5] == '1'
local out = {}
for i = 5, 4 + #ARGV[6] do -- another key may follow, see Guard in internal/layout
  local key = KEYS[i]
  local token = string.sub(key, -64)
  local h = read(key, 'id', 'r', 'w', 'ttl', 'la', 'end')
  local here = not h.err and h[1] and tonumber(h[4]) and tonumber(h[5]) and alive(h[4], h[5], h[6], now)
  local what
  if string.sub(ARGV[6], i - 4, i - 4) == '1' then
    what = here and 'l' or 'e'
  elseif not here then
    what = 'g'
  else
    local noted, due = string.match(redis.call('HGET', KEYS[1], token) or '', '^(%d+) (%d+)$')
    -- Gone before the time of the copy was up, it was ended there; after that, wiped
    -- perhaps, while this one was used on.
    if noted and (now <= tonumber(due) or (tonumber(h[2]) or 0) + (tonumber(h[3]) or 0) == tonumber(noted)) then
      what = 'd'
      if not dry then
        drop(ARGV[2], KEYS[2], KEYS[3], KEYS[4], ARGV[3], ARGV[1], token, h[1])
      end
    else
      what = 'k'
    end
  end
  if not dry and (what == 'd' or what == 'g') then
    redis.call('HDEL', KEYS[1], token)
  end
  out[#out + 1] = what
end
return table.concat(out)
