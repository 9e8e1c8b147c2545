-- touch counts now as activity of the session s at key, once at least a second
-- has passed: la and _users move to now; _sessions moves in the first touch of
-- each window of the clock (store.Window).
--
-- SESSIONS holds the end of the window plus ttl (store.WipeAt), so it is written
-- once a window too. It is asked for each time all the same: a Node server that
-- reads the session lowers it to its own now + ttl, and without a look the next
-- touch in that window would leave the session to a Node wiper too early.
local function touch(s, key, sessions, users, wipe, app, token, now)
  if s.idle < 1 then
    return
  end
  local window = 1
  if s.no_resave then
    redis.call('HSET', key, 'la', now, 'ttl', s.ttl)
  else
    redis.call('HSET', key, 'la', now)
    window = math.max(1, math.min(60, math.floor(s.ttl / 10)))
  end
  redis.call('ZADD', users, now, s.id)
  local start = now - now % window
  if s.la < start then
    redis.call('ZADD', sessions, now, token .. ':' .. s.id)
  end
  local member = app .. ':' .. token .. ':' .. s.id
  local armed = redis.call('ZSCORE', wipe, member)
  if not armed or tonumber(armed) <= now + s.ttl then
    redis.call('ZADD', wipe, start + window + s.ttl, member)
  end
end
