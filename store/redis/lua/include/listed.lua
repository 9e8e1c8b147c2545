-- listed returns what a list has of the session at key, as render makes it. It follows
-- an old token however long it has been one: a session that is rotated while a list is
-- read stays in it.
-- (What load and render do is written out: a list reads a million in a row, and that
-- is half of what they would cost.)
local call, format = redis.call, string.format

local function listed(key, now)
  local h = call('HMGET', key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', 'd', 'end', 'root', 'created', 'first')
  if not h[1] then
    key = follow(key)
    if not key then
      return '-\n'
    end
    h = call('HMGET', key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', 'd', 'end', 'root', 'created', 'first')
  end
  local id, ttl, la, ip = h[1], tonumber(h[4]), tonumber(h[5]), h[6]
  if not id or not alive(ttl, la, h[9], now) then
    return '-\n'
  end
  local idle, no_resave, d = math.max(0, now - la), 0, h[8] or ''
  local created, first = details(h[11], h[12], h[10])
  local expires = math.min(la + ttl, tonumber(h[9] or math.huge))
  if h[7] == '1' then
    ttl, no_resave = ttl - idle, 1
  end
  return format('%d %d %d %s %s %d %d %d %d %d %d\n', #id, #ip, #d, h[2], h[3], ttl, idle, no_resave,
    created, expires, #first) .. id .. ip .. d .. first
end
