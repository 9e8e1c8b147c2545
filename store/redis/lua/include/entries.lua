-- new_entries collects entries of an app's indexes, each as score and member: one command
-- an index writes those of many sessions, since a command costs Redis more than its
-- arguments. wipe, if given, is the list for SESSIONS of several apps.
local function new_entries(wipe)
  return {sessions = {}, users = {}, wipe = wipe or {}}
end

local function add_entry(list, score, member)
  local n = #list
  list[n + 1] = score
  list[n + 2] = member
end

-- write_app writes what new_entries collected, but for SESSIONS. GT, since the clock may
-- have gone back, so that another session of the user was active later. The session
-- itself was not, as its la is past, and its own entries follow it.
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

-- write_entries writes all that new_entries collected.
local function write_entries(entries, sessions, users, wipe)
  write_app(entries, sessions, users)
  write_wipe(entries.wipe, wipe)
end
