#!lua
-- probe makes a write of each kind that sessions need and removes it: Redis answers
-- with an error if its role, its memory, its disk or an access list forbids one.
--
-- KEYS  1 ns:probe, or ns:{.n}:probe on a Redis Cluster
-- ARGV  1 on a Redis Cluster a channel that nobody hears
-- Returns 1.
-- Cost: O(1).

local key = KEYS[1]
-- First whatever removes, so that one that is refused leaves nothing behind.
redis.call('DEL', key)
redis.call('EXPIRE', key, 60)
redis.call('HDEL', key, 'x')
redis.call('SREM', key, 'x')
redis.call('ZREM', key, 'x')
redis.call('HSET', key, 'x', 1)
redis.call('EXPIRE', key, 60) -- should one of the next be refused
redis.call('HINCRBY', key, 'x', 1)
redis.call('DEL', key)
redis.call('SADD', key, 'x')
redis.call('DEL', key)
redis.call('ZADD', key, 1, 'x')
redis.call('DEL', key)
if ARGV[1] then
  redis.call('SPUBLISH', ARGV[1], '')
end
return 1
