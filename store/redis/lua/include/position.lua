-- position returns the rank of the first entry of a zset after the one with this
-- score and member, even if that one has gone. Cost: O(log^2 n).
local function position(key, score, member)
  -- Entries of that score lie in [rank, stop), ordered by member.
  local rank = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local stop = redis.call('ZCOUNT', key, '-inf', score)
  while rank < stop do
    local middle = math.floor((rank + stop) / 2)
    if before(member, redis.call('ZRANGE', key, middle, middle)[1]) then
      stop = middle
    else
      rank = middle + 1
    end
  end
  return rank
end
