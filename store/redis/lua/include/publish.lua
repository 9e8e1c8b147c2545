-- publish tells other servers that a session ended or changed, by "app:token", so that
-- they drop their copy of it. channel is ns:cache, which Node servers hear, too; on a
-- Redis Cluster it is one of the bucket's slot, heard on the slot's node alone: there
-- PUBLISH goes to all nodes, which was more than half of the cost of a set.
local function publish(channel, app, token)
  if string.find(channel, '{', 1, true) then
    redis.call('SPUBLISH', channel, app .. ':' .. token)
  else
    redis.call('PUBLISH', channel, app .. ':' .. token)
  end
end
