-- stored reads a session as it stands at key, for a copy: id, r, w, ttl, la, ip,
-- no_resave, d, end, root, created, first. Without a session that is alive at now it returns nil and
-- why: 'over', or, if what is there cannot be read, 'broken'. (Numbers must be such
-- that a reader of the reply takes them.)
local function stored(key, now)
  local h = read(key, 'id', 'r', 'w', 'ttl', 'la', 'ip', 'no_resave', 'd', 'end', 'root', 'created', 'first')
  if h.err then
    return nil, 'broken'
  elseif not h[1] then
    return nil, 'over'
  end
  for i = 2, 5 do
    local digits = h[i] and string.match(h[i], '^%-?(%d+)$')
    if not digits or #digits > 15 or i ~= 4 and #digits ~= #h[i] then
      return nil, 'broken'
    end
  end
  if not h[6] or h[9] and not string.match(h[9], '^%d+$') or h[11] and not string.match(h[11], '^%d+$') then
    return nil, 'broken'
  elseif not alive(h[4], h[5], h[9], now) then
    return nil, 'over'
  end
  return h
end
