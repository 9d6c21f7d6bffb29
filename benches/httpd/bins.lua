-- Counts requests by the time of clock.lua: prints, after what result.lua prints, the number of the first twentieth of a
-- second and how many requests were sent in it and in each that followed.
local microseconds = dofile("clock.lua")
local BIN, LOOK_EVERY = 50000, 4

dofile("result.lua")
local print_result = done

local client

function setup(thread)
    client = thread
end

local function bin_now()
    return math.floor(microseconds() / BIN)
end

function init()
    prepared = wrk.format("GET")
    asked, first, counts = 0, bin_now(), ""
    current, count = first, 0
end

function request()
    asked = asked + 1
    if asked % LOOK_EVERY == 0 then
        local bin = bin_now()
        while current < bin do
            counts = counts .. " " .. count
            current, count = current + 1, 0
        end
        count = count + LOOK_EVERY
    end
    return prepared
end

function done(summary, latency)
    print_result(summary, latency)
    io.write(string.format("BINS %d%s\n", client:get("first"), client:get("counts")))
end
