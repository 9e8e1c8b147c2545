-- before reports a < b by bytes, as a zset orders equal scores. (Lua's own < asks
-- the locale.)
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end
