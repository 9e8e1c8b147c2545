-- new_entries collects entries of an app's indexes, each as score and member. wipe is the
-- list for SESSIONS, of several apps.
local function new_entries(wipe)
  return {sessions = {}, users = {}, wipe = wipe}
end

-- write_app writes what new_entries collected, but for SESSIONS.
local function write_app(entries, sessions, users)
  if #entries.users > 0 then
    redis.call('ZADD', users, 'GT', unpack(entries.users))
  end
  if #entries.sessions > 0 then
    redis.call('ZADD', sessions, unpack(entries.sessions))
  end
end

-- write_wipe writes a list of entries of SESSIONS.
local function write_wipe(list, wipe)
  if #list > 0 then
    redis.call('ZADD', wipe, unpack(list))
  end
end
