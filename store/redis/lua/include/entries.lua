-- Index entries of a call with one session are written at once. Those of several sessions
-- are collected in entries, see new_entries: one command an index writes them all, since a
-- command costs Redis more than its arguments. For one session, tables would cost more.

-- add_user writes that a user was active at stamp. GT, since the clock may have gone back,
-- so that another session of the user was active later. The session itself was not, as its
-- la is past, and its own entries follow it.
local function add_user(entries, users, stamp, id)
  if not entries then
    redis.call('ZADD', users, 'GT', stamp, id)
    return
  end
  local list = entries.users
  local n = #list
  list[n + 1] = stamp
  list[n + 2] = id
end

-- add_session writes when the session of member, "token:id", was active, and when it is due.
local function add_session(entries, sessions, wipe, stamp, due, app, member)
  if not entries then
    redis.call('ZADD', sessions, stamp, member)
    redis.call('ZADD', wipe, due, app .. ':' .. member)
    return
  end
  local list = entries.sessions
  local n = #list
  list[n + 1] = stamp
  list[n + 2] = member
  list = entries.wipe
  n = #list
  list[n + 1] = due
  list[n + 2] = app .. ':' .. member
end
