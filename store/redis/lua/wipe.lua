#!lua flags=allow-oom
-- wipe removes one page of the sessions whose time is over, and looks at the
-- hash of each: what is still alive is armed again, whoever wrote its entry.
--
-- KEYS  1 ns:SESSIONS
--       All others cannot be declared: apps, tokens and ids stand in KEYS[1].
-- ARGV  1 "ns:"  2 ns:cache or ""  3 entries a page
--       In the sharded layout, where KEYS[1] is of one part of one app:
--       1 what the part's keys begin with  4 app
-- Returns {how many sessions it removed, how many entries it took}. Fewer
-- entries than a page means that it was the last.
-- Cost: O(page * log n).

-- include alive.lua
-- include drop.lua
-- include clock.lua

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])
local wiped = 0
for _, member in ipairs(due) do
  -- An id may hold colons, an app and a token do not.
  local app, token, id = string.match(member, '^([^:]*):([^:]*):(.*)$')
  if not app or ARGV[4] and ARGV[4] ~= app then
    redis.call('ZREM', KEYS[1], member)
  else
    local prefix = ARGV[4] and ARGV[1] or ARGV[1] .. app .. ':'
    local h = redis.call('HMGET', prefix .. token, 'ttl', 'la', 'no_resave', 'end')
    local ttl, la = tonumber(h[1]), tonumber(h[2])
    if ttl and la and alive(ttl, la, h[4], now) then
      local window = 1
      if h[3] ~= '1' then
        window = math.max(1, math.min(60, math.floor(ttl / 10)))
      end
      local due = math.min(la - la % window + window + ttl - 1, tonumber(h[4] or math.huge))
      redis.call('ZADD', KEYS[1], string.format('%d', due) .. fraction, member)
    else
      wiped = wiped + drop(prefix, prefix .. '_sessions', prefix .. '_users', KEYS[1],
        ARGV[2], app, token, id)
    end
  end
end
return {wiped, #due}
