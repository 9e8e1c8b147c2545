-- attempt runs one operation of a batch and returns its reply. An error is the reply of
-- that operation alone: the others of the batch go on.
local function attempt(operation, ...)
  local ok, reply = pcall(operation, ...)
  if ok then
    return reply
  end
  local text = type(reply) == 'table' and reply.err or tostring(reply)
  if not string.find(text, '^%-?%u+ ') then
    text = 'ERR ' .. text -- a mistake of Lua has no code
  end
  return {err = text}
end
