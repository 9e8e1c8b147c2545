-- touch counts now as activity of the session s at key, which has been read and
-- written as often as its r and w say, once at least a second has passed: la moves
-- to now. The indexes are written by the first touch in each window of the clock:
-- _users in 10 seconds (store.UsersWindow), all of them, the user's set too, in those
-- of the session (store.Window): what Redis evicted is whole again then. If evicts, as
-- Redis can evict them, every touch does. SESSIONS holds the end of the window plus ttl
-- (store.WipeAt); the fraction of a second stands for the rest of its last second.
--
-- A Node server that reads or writes the session sets its score in SESSIONS to its
-- own now + ttl: the next touch must write all three whatever the window, or a Node
-- wiper would end the session too early; or too late, if that is past its end, which
-- Node does not know. That it was there shows in r and w, which only rise: m, a field
-- that Node does not know either, is their sum as we left them.
--
-- If changed, ttl or last of s is not what is stored: then those are written too, and
-- all index entries, in any second. fields, if given, are fields and values of the hash
-- that the same command writes. entries is nil if the call has one session, see add_user.
local function touch(s, key, entries, sessions, users, wipe, app, token, now, fraction, evicts, changed, fields)
  fields = fields or {}
  local n, m = #fields, s.r + s.w
  if s.idle < 1 and not changed then
    if s.ours then
      fields[n + 1] = 'm'
      fields[n + 2] = m
    end
    if #fields > 0 then
      redis.call('HSET', key, unpack(fields))
    end
    return
  end
  local la, window = string.format('%d', s.used), 1
  fields[n + 1] = 'la'
  fields[n + 2] = la
  fields[n + 3] = 'm'
  fields[n + 4] = m
  if changed and s.last then
    fields[#fields + 1] = 'end'
    fields[#fields + 1] = string.format('%d', s.last)
  end
  if s.no_resave or changed then
    fields[#fields + 1] = 'ttl'
    fields[#fields + 1] = string.format('%d', s.ttl)
  end
  redis.call('HSET', key, unpack(fields))
  if not s.no_resave then
    window = math.max(1, math.min(60, math.floor(s.ttl / 10)))
  end
  local stamp = la .. fraction
  local start = s.used - s.used % window
  local all = s.la < start or not s.ours or evicts or changed
  if all or s.la < s.used - s.used % 10 then
    add_user(entries, users, stamp, s.id)
  end
  if all then
    redis.call('SADD', string.sub(key, 1, -65) .. 'us:' .. s.id, token)
    local due = math.min(start + window + s.ttl - 1, s.last or math.huge)
    add_session(entries, sessions, wipe, stamp, string.format('%d', due) .. fraction, app, token .. ':' .. s.id)
  end
end
