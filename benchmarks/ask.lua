-- The questions that wrk asks: one path of each account, in an order that is spread out.
--
-- Arguments: how many accounts; what comes after the account in the path; the API key.

local STRIDE = 7919 -- a prime: no common divisor with the number of accounts
local accounts, path, head
local n = 0

function init(args)
    accounts, path = tonumber(args[1]), args[2]
    head = " HTTP/1.1\r\nAuthorization: Bearer " .. args[3] .. "\r\nHost: 127.0.0.1\r\n\r\n"
    request = question
end

function question()
    n = n + 1
    return string.format("GET /v1/accounts/account-%05d/%s", n * STRIDE % accounts, path) .. head
end

-- wrk asks for `request` before init() has run, to learn that requests differ from each other.
request = question

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d}\n',
        summary.requests, summary.duration, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout))
end
