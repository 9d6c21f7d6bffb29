-- Counts the failures of a pair of user and client network for all servers, as each of them does for itself
-- (engine/src/verification/lockouts.rs): one call is one step, whatever the others do.
--
-- KEYS[1]: the pair. KEYS[2], if there is one: the name of the password.
-- ARGV: the event (ask, wrong, uncounted, withdrawn), the password's digest, the limit, the milliseconds that failures count.
-- Returns what is stored under the password's name, or {state, milliseconds left}: 0 allowed, 1 the last one allowed,
-- 2 locked out, 3 this password is locked out.
local event, credential, limit, window = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('GET', KEYS[1]) or ''
-- Failures and their end, the password counted last, how often that was found wrong, and the end of this.
local failures, failures_end, last, repeats, repeats_end = string.match(stored, '^(%d+) (%d+) (%x+) (%d+) (%d+)$')
failures, failures_end = tonumber(failures) or 0, tonumber(failures_end) or 0
repeats, repeats_end = tonumber(repeats) or 0, tonumber(repeats_end) or 0
if failures_end <= now then failures = 0 end
if repeats_end <= now then repeats = 0 end
local was_last = (failures > 0 or repeats > 0) and last == credential

local function lockout()
    -- While the last one allowed is hashed, its repetitions wait for the verdict on it.
    if failures >= limit and not (was_last and repeats == 0) then
        return {2, failures_end - now}
    elseif was_last and repeats >= limit then
        return {3, repeats_end - now}
    end
end

local state = {0, 0}
if event == 'ask' or event == 'uncounted' then
    local refused = lockout()
    if refused then
        return refused
    end
    if KEYS[2] then
        local entry = redis.call('GET', KEYS[2])
        if entry then
            redis.call('DEL', KEYS[1])
            return entry
        end
    end
    if not was_last then
        was_last, last, repeats = true, credential, 0
        failures = failures + 1
        if failures == 1 or failures >= limit then
            failures_end = now + window
        end
        if failures >= limit then
            state = {1, window}
        end
    end
end
if event == 'wrong' or event == 'uncounted' then
    if was_last and repeats < limit then
        repeats = repeats + 1
        if repeats == 1 or repeats >= limit then
            repeats_end = now + window
        end
    end
    state = lockout() or {0, 0}
elseif event == 'withdrawn' and was_last then
    failures, last = math.max(failures - 1, 0), '0'
end

local ends = math.max(failures > 0 and failures_end or 0, repeats > 0 and repeats_end or 0)
if ends > now then
    local text = string.format('%d %.0f %s %d %.0f', failures, failures_end, last, repeats, repeats_end)
    redis.call('SET', KEYS[1], text, 'PX', ends - now)
else
    redis.call('DEL', KEYS[1])
end
return state
