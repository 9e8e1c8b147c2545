-- sweep removes sessions of one app, as drop does one, with one command an index for
-- all of them, since a command costs Redis more than its arguments. tokens and ids are
-- those of each session; channel is as drop has it. It returns how many had a hash.
-- Cost: O(log n) of the indexes, each.
local function sweep(prefix, sessions, users, wipe, channel, app, tokens, ids)
  if #tokens == 0 then
    return 0
  end
  local call = redis.call
  local hashes, members, due = {}, {}, {}
  local of, found = {}, {} -- tokens by user; users
  for i, token in ipairs(tokens) do
    local id = ids[i]
    hashes[i] = prefix .. token
    members[i] = token .. ':' .. id
    due[i] = app .. ':' .. members[i]
    local his = of[id]
    if his then
      his[#his + 1] = token
    else
      of[id] = {token}
      found[#found + 1] = id
    end
    publish(channel, app, token)
  end
  call('ZREM', sessions, unpack(members))
  call('ZREM', wipe, unpack(due))
  local gone, left = {}, {} -- users; last activities and users
  for _, id in ipairs(found) do
    local user = prefix .. 'us:' .. id
    call('SREM', user, unpack(of[id]))
    if call('EXISTS', user) == 0 then
      gone[#gone + 1] = id
    else
      -- The last activity was perhaps in one of these, and its index entry trails it.
      for _, token in ipairs(of[id]) do
        local la = tonumber(call('HGET', prefix .. token, 'la') or '')
        if la then
          left[#left + 1] = la
          left[#left + 1] = id
        end
      end
    end
  end
  if #gone > 0 then
    call('ZREM', users, unpack(gone))
  end
  if #left > 0 then
    call('ZADD', users, 'XX', 'GT', unpack(left))
  end
  return call('DEL', unpack(hashes))
end
