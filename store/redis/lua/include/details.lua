-- details returns when a session was created, 0 where nobody knows, and the first token
-- that it had, '' if that is the one of now, by the fields created, first and root of
-- its hash. root is set by a rotation, first when it became another user's (see move).
local function details(created, first, root)
  created = tonumber(created or '') or 0
  if not (created > 0 and created <= 1e15 and created % 1 == 0) then
    created = 0 -- what somebody spoilt must not make a reply that cannot be read
  end
  first = first or root or ''
  return created, #first == 64 and first or ''
end
