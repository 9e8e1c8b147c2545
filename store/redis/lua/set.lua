#!lua
-- set merges a change into a session's data and counts as activity.
--
-- KEYS  1 ns:app:token  2 ns:app:_sessions  3 ns:app:_users  4 ns:SESSIONS
--       If the token is an old one, the session's key cannot be declared; nor can
--       ns:app:us:id: the id stands in the hash.
-- ARGV  1 app  2 token  3 ns:cache or ""
--       4 the change: the text of a flat JSON object without white space, no key
--         twice, keys spelled as JSON.stringify does; null removes a key
--       5 1 if Redis can evict, see touch, or ''
-- Returns the session after the change, as render makes it. Fails, before any
-- write, if what is stored in d is no such text.
-- Cost: O(bytes of data and change), O(log n) as get.
--
-- The data is never decoded: cjson would round numbers to 14 digits and lose the
-- order of keys.

-- include alive.lua
-- include alias.lua
-- include session.lua
-- include touch.lua
-- include clock.lua

-- string_end returns the index of the quote that ends the JSON string at pos.
local function string_end(text, pos)
  local quote = string.find(text, '"', pos + 1, true)
  while quote do
    local slash = quote - 1
    while string.byte(text, slash) == 92 do
      slash = slash - 1
    end
    if (quote - slash) % 2 == 1 then
      return quote
    end
    quote = string.find(text, '"', quote + 1, true)
  end
end

-- each_field calls f with each key, quotes included, and raw value of a flat
-- JSON object, and returns true if text is one.
local function each_field(text, f)
  if text == '' or text == '{}' then
    return true
  end
  if string.byte(text) ~= 123 then
    return false
  end
  local pos, size = 2, #text
  while true do
    local stop = string.byte(text, pos) == 34 and string_end(text, pos)
    if not stop or string.byte(text, stop + 1) ~= 58 then
      return false
    end
    local key = string.sub(text, pos, stop)
    pos = stop + 2
    if string.byte(text, pos) == 34 then
      stop = string_end(text, pos)
    else
      -- The end of a run of anything that a number, true, false or null has.
      stop = select(2, string.find(text, '^[%w%.%+%-]+', pos))
    end
    if not stop then
      return false
    end
    f(key, string.sub(text, pos, stop))
    local separator = string.byte(text, stop + 1)
    if separator == 125 then
      return stop + 1 == size
    elseif separator ~= 44 then
      return false
    end
    pos = stop + 2
  end
end

local s, key = load(KEYS[1], now)
if not s then
  return render(s)
end
local token = string.sub(key, -64)

local change, order = {}, {}
each_field(ARGV[4], function(key, value)
  change[key] = value
  order[#order + 1] = key
end)
local merged, done = {}, {}
local ok = each_field(s.d, function(key, value)
  local new = change[key]
  if new == nil then
    merged[#merged + 1] = key .. ':' .. value
  elseif not done[key] then
    done[key] = true
    if new ~= 'null' then
      merged[#merged + 1] = key .. ':' .. new
    end
  end
end)
if not ok then
  return redis.error_reply('BADDATA d of the session is not a flat JSON object')
end
for _, key in ipairs(order) do
  if not done[key] and change[key] ~= 'null' then
    merged[#merged + 1] = key .. ':' .. change[key]
  end
end

s.w = redis.call('HINCRBY', key, 'w', 1)
if #merged > 0 then
  s.d = '{' .. table.concat(merged, ',') .. '}'
  redis.call('HSET', key, 'd', s.d)
else
  s.d = ''
  redis.call('HDEL', key, 'd')
end
touch(s, key, KEYS[2], KEYS[3], KEYS[4], ARGV[1], token, now, fraction, ARGV[5] == '1')
if ARGV[3] ~= '' then
  redis.call('PUBLISH', ARGV[3], ARGV[1] .. ':' .. token)
end
return render(s)
