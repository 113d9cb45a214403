-- The load that wrk makes: deductions of one credit, each under a key that was never used before.
--
-- Arguments: how many accounts; commands in one request (0: a deduction by itself, on its own route); what the keys
-- of this run begin with; the API key; what the names of accounts begin with; how many members use them (0: none is named); what each deduction asks for; a file with a key of each account, one on each line (none: deductions come from the service's own key alone). Accounts come in an order that is spread out and meets all of them.
-- Keys count up from a number of nine digits, so that all requests have one length.

local STRIDE = 7919 -- a prime: no common divisor with the number of accounts
local STEP = 3001 -- each run begins with other accounts: short ones would meet the same few
local accounts, commands, prefix, members, asked
local names, keys = {}, {}
local n = 100000000
local head

function init(args)
    accounts, commands, prefix, members = tonumber(args[1]), tonumber(args[2]), args[3], tonumber(args[6])
    asked = args[7]
    n = n + tonumber(string.match(prefix, "%d+")) * STEP
    for i = 0, accounts - 1 do
        names[i] = string.format("%s-%05d", args[5], i)
    end
    head = "\r\nAuthorization: Bearer " .. args[4] .. "\r\nContent-Type: application/json\r\nHost: 127.0.0.1\r\n"
    if args[8] then
        for key in io.lines(args[8]) do
            keys[#keys + 1] = key
        end
        request = verification
    elseif commands == 0 then
        request = deduction
    else
        request = batch
    end
end

function usage()
    if members == 0 then
        return ""
    end
    return string.format(',"usage":{"member":"member-%05d"}', n % members)
end

function deduction()
    n = n + 1
    local key = prefix .. n
    local body = '{' .. asked .. ',"task_id":"' .. key .. '"' .. usage() .. '}'
    return "POST /v1/accounts/" .. names[n * STRIDE % accounts] .. "/deductions HTTP/1.1" .. head
        .. "Idempotency-Key: " .. key .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

function verification()
    n = n + 1
    local body = '{"key":"' .. keys[n * STRIDE % accounts + 1] .. '","deduct":{' .. asked .. ',"task_id":"' .. prefix .. n .. '"}}'
    return "POST /v1/keys/verifications HTTP/1.1" .. head .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

function batch()
    local items = {}
    for i = 1, commands do
        n = n + 1
        items[i] = '{"op":"deduct","account_id":"' .. names[n * STRIDE % accounts]
            .. '","idempotency_key":"' .. prefix .. n .. '","amount":1}'
    end
    local body = '{"commands":[' .. table.concat(items, ",") .. "]}"
    return "POST /v1/batch HTTP/1.1" .. head .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

-- wrk asks for `request` before init() has run, to learn that requests differ from each other.
request = deduction

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'RESULT {"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p99": %d}\n',
        summary.requests, summary.duration, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
end
