-- The machine's clock that says how long it has been up, which Python calls time.monotonic(): a function that returns
-- microseconds.
local ffi = require("ffi")
ffi.cdef [[
    typedef struct { long seconds, nanoseconds; } moment;
    int clock_gettime(int clock, moment *place);
]]
local MONOTONIC = 1
local place = ffi.new("moment")

return function()
    ffi.C.clock_gettime(MONOTONIC, place)
    return tonumber(place.seconds) * 1e6 + tonumber(place.nanoseconds) / 1e3
end
