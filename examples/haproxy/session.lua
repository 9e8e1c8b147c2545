-- The action session of haproxy.cfg: asks auth of rest-sessions whose session a request has.
--
--     http-request lua.session URL
--
-- txn.session is the status of the answer, 0 if there is none. After an error in here it is not set.
-- The timeout is longer than HAProxy's own, which answers before it: so it asks once.
local key = os.getenv("RS_AUTH_KEY") or ""
local told = { "x-session-id", "x-session-handle", "x-session-data" }

core.register_action("session", { "http-req" }, function(txn, url)
  -- Only the token: all cookies of a visitor may be more than the 8 KiB that rest-sessions takes.
  -- If there are two such cookies, nobody knows which is meant.
  local token = txn.f:req_cook_cnt("sid") == 1 and txn.f:req_cook("sid") or ""
  local answer = core.httpclient():head {
    url = url,
    timeout = 10000, -- milliseconds
    headers = { authorization = { "Bearer " .. key }, ["x-session-token"] = { token } },
  }
  if answer.status == 200 then
    for _, name in ipairs(told) do
      local value = answer.headers[name]
      if value then txn.http:req_set_header(name, value[0]) end
    end
  end
  txn:set_var("txn.session", tostring(answer.status))
end, 1)
