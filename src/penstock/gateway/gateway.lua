-- What HAProxy's configuration language cannot say: copies of requests for mirrors, and why there is no answer.

local MAX_PENDING = 16 -- copies under way, for each thread; more are not sent
local COPIED = {
    "content-type", "content-encoding", "accept", "x-request-id", "x-ms-client-request-id", "traceparent", "tracestate",
    "inference-header-content-length",
}
local pending = 0

local function send(path, body, headers)
    local client = core.httpclient()
    pcall(function()
        client:post{
            url = "http://mirror" .. path, dst = "unix@run/mirror.sock", headers = headers, body = body, timeout = 60000,
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
    local path, body = txn.f:path(), txn.f:req_body() or ""
    if #body < (tonumber(txn.f:req_fhdr("content-length")) or 0) then
        return -- the head took the room in the buffer that its end would have needed
    end
    pending = pending + 1
    core.register_task(function()
        send(path, body, headers)
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

-- The file in which the instances of a deployment note what they work on (penstock_worker/inflight.py).
local HEAD_BYTES, SLOT_BYTES, SLOTS, PROBES = 4096, 64, 4096, 8

-- True if an instance began to work on this request and never ended: it has died meanwhile.
local function died(txn, backend)
    local file = io.open("run/" .. backend .. ".inflight", "rb")
    if not file then
        return false
    end
    local id = txn.f:unique_id()
    local first = txn.c:crc32(id)
    for probe = 0, PROBES - 1 do
        file:seek("set", HEAD_BYTES + (first + probe) % SLOTS * SLOT_BYTES)
        if file:read(#id) == id then
            file:close()
            return true
        end
    end
    file:close()
    return false
end

core.register_fetches("died", function(txn, backend)
    return died(txn, backend)
end)

-- Fields of the JSON error for an answer that broke off; the reason stays in txn.failure for the status.
core.register_fetches("broken_answer", function(txn, backend)
    local code, message = "InstanceFailed", "broke off in the middle of its answer: see its log, and try again"
    if died(txn, backend) then
        code, message = "InstanceDied", "died while it worked on this request: see its log, and do not send it again"
    end
    txn:set_var("txn.failure", code)
    local name = backend:gsub("%.", "/")
    return string.format('"code":"%s","message":"an instance of deployment \'%s\' %s"', code, name, message)
end)

-- Backends of deployments that are asleep (maps.py): "wait", or why they cannot start, percent-encoded.
local asleep = Map.new("maps/asleep.map", Map._str)
local TICK_MS, LOOK_MS = 20, 200

local function milliseconds()
    local now = core.now()
    return now.sec * 1000 + now.usec / 1000
end

local stopping, looked_at = false, 0

-- True once a new worker has taken over from this one; asked now and then, as the answer is a large table.
local function retiring()
    local now = milliseconds()
    if now - looked_at >= LOOK_MS then
        stopping, looked_at = core.get_info().Stopping ~= 0, now
    end
    return stopping
end

local function json_text(encoded)
    local text = encoded:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    return (text:gsub("[%c\"\\]", function(c) return string.format("\\u%04x", c:byte()) end))
end

-- Holds a request until its deployment has an instance, and then until few are queued there, so that those who were
-- held do not wait longer in the queue than others may. txn.held says how that ended: "awake", "failed" (txn.why),
-- "late", or "stopping" for a request that must be handed to the new worker.
core.register_action("hold", { "http-req" }, function(txn, backend, longest_ms, room)
    local deadline = milliseconds() + tonumber(longest_ms)
    while true do
        local entry = asleep:lookup(backend)
        if entry and entry ~= "wait" then
            txn:set_var("txn.why", json_text(entry))
            txn:set_var("txn.held", "failed")
            return
        end
        if retiring() then
            txn:set_var("txn.held", "stopping")
            return
        end
        if not entry and (txn.f:queue(backend) or 0) < tonumber(room) then
            txn:set_var("txn.held", "awake")
            return
        end
        if milliseconds() > deadline then
            txn:set_var("txn.held", "late")
            return
        end
        core.msleep(TICK_MS)
    end
end, 3)

-- True if one of the deployments that have traffic has an instance that is up, or would wake for a request.
-- The map's entry is 90|blue|100|green.
core.register_fetches("ready", function(txn)
    local endpoint, traffic = txn:get_var("txn.endpoint"), txn:get_var("txn.shares")
    for name in string.gmatch(traffic or "", "|([^|]+)") do
        local full = endpoint .. "." .. name
        local backend = core.backends[full]
        if backend and (backend:get_srv_act() > 0 or asleep:lookup(full) == "wait") then
            return true
        end
    end
    return false
end)
