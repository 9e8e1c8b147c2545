-- read is HMGET of a key that may hold what is no hash: then the reply has a field err.
-- What Redis says of itself, as of an access list, is raised: no session is at fault.
local function read(key, ...)
  local h = redis.pcall('HMGET', key, ...)
  if h.err and string.sub(h.err, 1, 9) ~= 'WRONGTYPE' then
    error(h)
  end
  return h
end
