local find, byte, sub = string.find, string.byte, string.sub

-- string_end returns the index of the quote that ends the JSON string at pos.
local function string_end(text, pos)
  local quote = find(text, '"', pos + 1, true)
  while quote do
    local slash = quote - 1
    while byte(text, slash) == 92 do
      slash = slash - 1
    end
    if (quote - slash) % 2 == 1 then
      return quote
    end
    quote = find(text, '"', quote + 1, true)
  end
end

-- nested_end returns the index of the bracket that ends the array or object at pos.
local function nested_end(text, pos)
  local depth = 0
  while pos do
    local c = byte(text, pos)
    if c == 34 then
      pos = string_end(text, pos)
      if not pos then
        return nil
      end
    elseif c == 91 or c == 123 then
      depth = depth + 1
    else
      depth = depth - 1
      if depth == 0 then
        return pos
      end
    end
    pos = find(text, '["%[%]{}]', pos + 1)
  end
end

-- value_end returns the index of the last byte of the JSON value at pos, whose first
-- byte is given: of one that is none of the above, the end of a run of anything that a
-- number, true, false or null has.
local function value_end(text, pos, first)
  if first == '"' then
    return string_end(text, pos)
  elseif first == '[' or first == '{' then
    return nested_end(text, pos)
  end
  return select(2, find(text, '^[%w%.%+%-]+', pos))
end

-- merge applies a change to text, that of a JSON object without white space or '', as
-- Data.Merge in Go does: change has the new values by key, each second of ARGV[from] to
-- ARGV[to] is one of their keys, in order. It returns the new text, '' when no key is left,
-- or nil if text is no such text. What does not change is copied in runs of fields.
local function merge(text, change, from, to)
  local parts = {}
  if text ~= '' and text ~= '{}' then
    if byte(text) ~= 123 then
      return nil
    end
    local pos, run = 2, 2 -- run is where a run of fields that stay begins
    repeat
      local field = pos
      -- Of a key without escapes one call tells all.
      local _, stop, key, first = find(text, '^("[^"\\]*"):(.)', pos)
      if not key then
        local last = byte(text, pos) == 34 and string_end(text, pos)
        if not last or byte(text, last + 1) ~= 58 then
          return nil
        end
        stop = last + 2
        key, first = sub(text, pos, last), sub(text, stop, stop)
      end
      stop = value_end(text, stop, first)
      if not stop then
        return nil
      end
      local new = change[key]
      if new ~= nil then
        if field > run then
          parts[#parts + 1] = sub(text, run, field - 2)
        end
        if new and new ~= 'null' then
          parts[#parts + 1] = key .. ':' .. new
        end
        change[key] = false -- if text has it once more, the last place goes
        run = stop + 2
      end
      pos = stop + 2
      local separator = byte(text, stop + 1)
      if separator ~= 44 and (separator ~= 125 or stop + 1 < #text) then
        return nil
      end
    until separator == 125
    if run < pos then
      parts[#parts + 1] = sub(text, run, pos - 2)
    end
  end
  for i = from, to, 2 do
    local key = ARGV[i]
    local new = change[key]
    if new and new ~= 'null' then
      parts[#parts + 1] = key .. ':' .. new
    end
  end
  if #parts == 0 then
    return ''
  end
  return '{' .. table.concat(parts, ',') .. '}'
end
