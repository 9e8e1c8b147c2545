-- An alias is what a rotation leaves at the key of a session's old token: a hash
-- without id, which is no session to anybody. Its field end is the last second in
-- which the old token answers, as a session's; without one it answers never. Where
-- it leads stands in the alias of the session's first token, in the field to, and
-- the others name that one in the field root; so however often a session is
-- rotated, one write moves all its aliases. Redis lets an alias expire
-- alias_seconds (store.MaxGrace, and one for the fraction) after its last change.
local alias_seconds = 61

-- follow returns the key of the session that the alias at key leads to, or nil. last
-- is its field end; it is asked for only where given, with now. Both keys begin
-- alike and end in a token, and cannot be declared: the token stands in the alias.
local function follow(key, last, now)
  if now and not (last and now <= (tonumber(last) or 0)) then
    return nil
  end
  local prefix = string.sub(key, 1, -65)
  local h = redis.call('HMGET', key, 'to', 'root')
  local to = h[1]
  if h[2] then
    to = read(prefix .. h[2], 'to')[1] -- what somebody spoilt leads nowhere
  end
  return type(to) == 'string' and prefix .. to or nil
end
