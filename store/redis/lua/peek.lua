#!lua
-- peek reads a session and changes nothing.
--
-- KEYS  1 ns:app:token
--       If the token is an old one, the session's key cannot be declared.
-- ARGV  none
-- Returns the session, as render makes it.
-- Cost: O(bytes of data).

-- include read.lua
-- include alive.lua
-- include alias.lua
-- include details.lua
-- include session.lua
-- include clock.lua

return render(unused((load(KEYS[1], now))))
