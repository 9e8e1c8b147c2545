-- detach removes a session's index entries, and the user when it was the user's last,
-- and tells other servers, see publish.
-- Cost: O(log n) of the indexes.
--
-- prefix is "ns:app:". The key of the user's set is made here from an id that
-- only the hash or an index knows, so no caller can declare it.
local function detach(prefix, sessions, users, wipe, channel, app, token, id)
  local user = prefix .. 'us:' .. id
  redis.call('SREM', user, token)
  redis.call('ZREM', sessions, token .. ':' .. id)
  redis.call('ZREM', wipe, app .. ':' .. token .. ':' .. id)
  if redis.call('EXISTS', user) == 0 then
    redis.call('ZREM', users, id)
  else
    -- The last activity was perhaps in this session, and its index entry trails it.
    local la = tonumber(redis.call('HGET', prefix .. token, 'la') or '')
    if la then
      redis.call('ZADD', users, 'XX', 'GT', la, id)
    end
  end
  publish(channel, app, token)
end

-- drop removes a session and what detach does. It returns 1 if there was a hash, else 0.
local function drop(prefix, sessions, users, wipe, channel, app, token, id)
  detach(prefix, sessions, users, wipe, channel, app, token, id)
  return redis.call('DEL', prefix .. token)
end
