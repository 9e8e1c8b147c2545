-- load reads the session at key, or that of the old token at key, and returns it
-- with its own key. It returns nil unless there is one that is alive at now (Unix
-- seconds). In what it returns, idle is never below 0 (clocks differ between hosts),
-- and ttl of a no_resave session is what is left of it; ours is whether our scripts
-- were the last to touch it, see touch; created and first are as details has them; used is
-- la after a touch. d is left out if without_d: to bring 64 KB into Lua takes a tenth of a
-- millisecond.
local function load(key, now, without_d)
  local d, old = without_d and '' or 'd', false
  local h = redis.call('HMGET', key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', d, 'end', 'root', 'm', 'created', 'first')
  if not h[1] and h[9] then
    key, old = follow(key, h[9], now), true
    if not key then
      return nil
    end
    h = redis.call('HMGET', key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', d, 'end', 'root', 'm', 'created', 'first')
  end
  if not h[1] or not alive(h[4], h[5], h[9], now) then
    return nil
  end
  local ttl, la = tonumber(h[4]), tonumber(h[5])
  local idle = math.max(0, now - la)
  local no_resave = h[7] == '1'
  if no_resave then
    ttl = ttl - idle
  end
  local created, first = details(h[12], h[13], h[10])
  return {id = h[1], r = h[2], w = h[3], ttl = ttl, la = la, idle = idle, ip = h[6],
    no_resave = no_resave, d = h[8] or '', last = tonumber(h[9]), root = h[10], created = created,
    first = first, used = math.max(now, la),
    old_token = old, ours = tonumber(h[11]) == (tonumber(h[2]) or 0) + (tonumber(h[3]) or 0)}, key
end

-- render makes the reply for a session: a header line "#id #ip #d r w ttl idle
-- no_resave created expires #first", then id, ip, d and first, back to back; for nil,
-- that is no session, the line "-". 2 is added to no_resave if load was given an old token. created is 0 where nobody knows; expires is the
-- last second in which it lives if nobody uses it from used on. One bulk string is the
-- cheapest reply to send and to read. (Texts are joined, not formatted: %s ends at a
-- NUL.)
local function render(s)
  if not s then
    return '-\n'
  end
  return string.format('%d %d %d %s %s %d %d %d %d %d %d\n', #s.id, #s.ip, #s.d, s.r, s.w, s.ttl, s.idle,
    (s.no_resave and 1 or 0) + (s.old_token and 2 or 0), s.created, math.min(s.used + s.ttl, s.last or math.huge), #s.first)
    .. s.id .. s.ip .. s.d .. s.first
end

-- unused makes render answer that the session is not used now.
local function unused(s)
  if s and not s.no_resave then
    s.used = s.la
  end
  return s
end
