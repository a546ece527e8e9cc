-- What HAProxy's configuration language cannot say: copies of requests for mirrors, and why no server was found.

local MAX_PENDING = 16 -- copies under way, for each thread; more are not sent
local COPIED = { "content-type", "content-encoding", "accept", "x-request-id", "x-ms-client-request-id" }
local pending = 0

local function send(body, headers)
    local client = core.httpclient()
    pcall(function()
        client:post{
            url = "http://mirror/score", dst = "unix@run/mirror.sock", headers = headers, body = body, timeout = 60000,
        }
    end)
    pending = pending - 1
end

-- Sends a copy of the buffered request to the backend in txn.shadow. The request itself does not wait for it.
core.register_action("mirror", { "http-req" }, function(txn)
    if pending >= MAX_PENDING then
        return
    end
    local headers = { ["x-penstock-mirror"] = { "1" }, ["x-penstock-backend"] = { txn:get_var("txn.shadow") } }
    for _, name in ipairs(COPIED) do
        local value = txn.f:req_fhdr(name)
        if value then
            headers[name] = { value }
        end
    end
    local body = txn.f:req_body() or ""
    pending = pending + 1
    core.register_task(function()
        send(body, headers)
    end)
end, 0)

-- Fields of the JSON error for a request that reached no server; the reason stays in txn.failure for the status.
core.register_fetches("no_server", function(txn, backend)
    local failed = txn.f:bc_err()
    local code, message = "TooManyRequests", "waited too long for a free instance: send fewer requests at a time"
    if failed and failed ~= 0 then
        code, message = "InstanceFailed", "accepts no connections: see the log of its instances, and try again"
    end
    txn:set_var("txn.failure", code)
    local name = backend:gsub("%.", "/")
    return string.format('"code":"%s","message":"deployment \'%s\' %s"', code, name, message)
end)
