-- surplus returns the tokens of the sessions that end where the user whose set is user
-- gets one more and may have limit: those longest idle, and of the same last activity
-- the lower tokens. The session of the token but, if given, does not count. It returns
-- nil if there are more than look to look at or more than most to end.
-- Cost: O(others).
local function surplus(prefix, user, limit, look, most, now, but)
  if redis.call('SCARD', user) > look then
    return nil
  end
  local others = {}
  for _, token in ipairs(redis.call('SMEMBERS', user)) do
    local h = redis.call('HMGET', prefix .. token, 'ttl', 'la', 'end')
    if h[1] and token ~= but and alive(h[1], h[2], h[3], now) then
      others[#others + 1] = {la = tonumber(h[2]), token = token}
    end
  end
  local n = #others + 1 - limit
  if n > most then
    return nil
  end
  local excess = {}
  if n > 0 then
    table.sort(others, function(a, b)
      if a.la ~= b.la then
        return a.la < b.la
      end
      return before(a.token, b.token)
    end)
  end
  for i = 1, n do
    excess[i] = others[i].token
  end
  return excess
end
