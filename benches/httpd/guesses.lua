-- Every request guesses another wrong password: arguments are the user and a word that is new in each run.
local threads = 0

function setup(thread)
    thread:set("thread_number", threads)
    threads = threads + 1
end

function init(arguments)
    user, run, guesses = arguments[1], arguments[2], 0
end

local letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
    local encoded = {}
    for position = 1, #text, 3 do
        local a, b, c = text:byte(position, position + 2)
        local bits = a * 65536 + (b or 0) * 256 + (c or 0)
        for place, shift in ipairs({ 262144, 4096, 64, 1 }) do
            local index = math.floor(bits / shift) % 64 + 1
            local absent = (place == 3 and not b) or (place == 4 and not c)
            encoded[#encoded + 1] = absent and "=" or letters:sub(index, index)
        end
    end
    return table.concat(encoded)
end

function request()
    guesses = guesses + 1
    local password = string.format("%s-%d-%d", run, thread_number, guesses)
    return wrk.format(nil, nil, { Authorization = "Basic " .. base64(user .. ":" .. password) })
end

function done(summary)
    io.write(string.format("GUESSES %d %d\n", summary.requests, summary.errors.timeout))
end
