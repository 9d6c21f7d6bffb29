-- Counts the requests of limited users for all servers (engine/src/verification/rates.rs).
--
-- KEYS: the users. ARGV: for each, the requests since the last call, and the microseconds after which one flows back.
-- Returns for each the microseconds after which all that was spent will have flowed back.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead = {}
for number, user in ipairs(KEYS) do
    local moment = math.max(tonumber(redis.call('GET', user)) or 0, now)
    moment = moment + ARGV[2 * number - 1] * ARGV[2 * number]
    ahead[number] = moment - now
    redis.call('SET', user, string.format('%.0f', moment), 'PX', math.ceil((moment - now) / 1000) + 1)
end
return ahead
