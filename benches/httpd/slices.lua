-- Asks for two paths in turn, for a fiftieth of a second each, so that both meet the same machine: arguments are the
-- paths. Prints, after what result.lua prints, the requests for either and the microseconds given to either.
local microseconds = dofile("clock.lua")
local SLICE, LOOK_EVERY = 20000, 8

dofile("result.lua")
local print_result = done

local client

function setup(thread)
    client = thread
end

function init(arguments)
    prepared = { wrk.format("GET", arguments[1]), wrk.format("GET", arguments[2]) }
    turn, asked, began = 1, 0, microseconds()
    requests_1, requests_2, time_1, time_2 = 0, 0, 0, 0
end

function request()
    asked = asked + 1
    if asked % LOOK_EVERY == 0 then
        local now = microseconds()
        if now - began >= SLICE then
            if turn == 1 then
                requests_1, time_1 = requests_1 + asked, time_1 + now - began
            else
                requests_2, time_2 = requests_2 + asked, time_2 + now - began
            end
            turn, asked, began = 3 - turn, 0, now
        end
    end
    return prepared[turn]
end

function done(summary, latency)
    print_result(summary, latency)
    io.write(string.format("SLICES %d %d %d %d\n", client:get("requests_1"), client:get("time_1"),
        client:get("requests_2"), client:get("time_2")))
end
