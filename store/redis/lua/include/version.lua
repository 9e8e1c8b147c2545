-- version returns what changes with each set and each touch that changes when a session
-- ends, but not with reads.
local function version(s)
  local life = s.no_resave and s.la + s.idle + s.ttl or s.ttl
  return string.format('%d %d %d', s.w, life, s.last or 0)
end
