-- alive reports whether a session is there at now (Unix seconds), by the fields ttl,
-- la and end of its hash: it is until it has been idle for more than ttl seconds, or
-- is past end, the last second whatever its activity, which not every session has.
local function alive(ttl, la, last, now)
  return tonumber(ttl) >= now - tonumber(la) and not (last and tonumber(last) < now)
end
