-- now is Redis' own clock in whole Unix seconds. fraction is that of the second, as
-- the text ".123456", never ".000000": scores in the indexes carry it, so that few
-- entries have the same. Redis orders those by comparing their members, which was a
-- fifth of what a read cost it.
local time = redis.call('TIME')
local now = tonumber(time[1])
local fraction = string.format('.%06d', math.max(1, time[2] or 0))
