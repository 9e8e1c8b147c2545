#!lua flags=allow-oom
-- wipe removes a step of the sessions whose time is over, and looks at the
-- hash of each: what is still alive is armed again, whoever wrote its entry.
--
-- KEYS  1 ns:SESSIONS
--       All others cannot be declared: apps, tokens and ids stand in KEYS[1].
-- ARGV  1 "ns:"  2 the channel, see publish  3 entries a step
--       In the sharded layout, where KEYS[1] is of one bucket of one app:
--       1 what the bucket's keys begin with  4 app
-- Returns {how many sessions it removed, how many entries it took}. Fewer
-- entries than a step means that it was the last.
-- Cost: O(step * log n).

-- include alive.lua
-- include publish.lua
-- include sweep.lua
-- include clock.lua

local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[3])
local apps = {}     -- those whose sessions are over
local over = {}     -- by app, {prefix, tokens, ids}
local alive_at = {} -- scores and members of what is alive
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
      alive_at[#alive_at + 1] = string.format('%d', due) .. fraction
      alive_at[#alive_at + 1] = member
    else
      if not over[app] then
        over[app] = {prefix = prefix, tokens = {}, ids = {}}
        apps[#apps + 1] = app
      end
      table.insert(over[app].tokens, token)
      table.insert(over[app].ids, id)
    end
  end
end
if #alive_at > 0 then
  redis.call('ZADD', KEYS[1], unpack(alive_at))
end
local wiped = 0
for _, app in ipairs(apps) do
  local o = over[app]
  wiped = wiped + sweep(o.prefix, o.prefix .. '_sessions', o.prefix .. '_users', KEYS[1], ARGV[2], app, o.tokens, o.ids)
end
return {wiped, #due}
