-- upwards returns a step of an app's index, members and their scores, from a score
-- on, or, if a member is given too, from the entry after that one.
local function upwards(key, score, member, size)
  local rank
  if member == '' then
    rank = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  else
    rank = position(key, score, member)
  end
  return redis.call('ZRANGE', key, rank, rank + size - 1, 'WITHSCORES')
end
