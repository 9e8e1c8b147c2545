-- touch counts now as activity of the session s at key, once at least a second
-- has passed: la and _users move to now; _sessions moves in the first touch of
-- each window of the clock (store.Window).
--
-- SESSIONS holds the end of the window plus ttl (store.WipeAt), so it is written
-- once a window too; the fraction of a second stands for the rest of its last
-- second. It is asked for each time all the same: a Node server that
-- reads the session lowers it to its own now + ttl, and without a look the next
-- touch in that window would leave the session to a Node wiper too early.
local function touch(s, key, sessions, users, wipe, app, token, now, fraction)
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
  local stamp = string.format('%d', now) .. fraction
  redis.call('ZADD', users, stamp, s.id)
  local start = now - now % window
  if s.la < start then
    redis.call('ZADD', sessions, stamp, token .. ':' .. s.id)
  end
  local member = app .. ':' .. token .. ':' .. s.id
  local armed = redis.call('ZSCORE', wipe, member)
  if not armed or tonumber(armed) <= now + s.ttl then
    redis.call('ZADD', wipe, string.format('%d', start + window + s.ttl - 1) .. fraction, member)
  end
end
