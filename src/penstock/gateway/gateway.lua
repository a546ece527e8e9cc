-- What HAProxy's configuration language cannot say: copies of requests for mirrors, the assignment of callers to
-- deployments, and why there is no answer.

local MAX_PENDING, MAX_PENDING_OF_ONE = 256, 64 -- copies under way, for each thread: to all shadows, and to one
local COPIED = {
    "content-type", "content-encoding", "accept", "x-request-id", "x-ms-client-request-id", "traceparent", "tracestate",
    "inference-header-content-length",
}
local pending, shadows = 0, {}

-- What became of copies, by the backend of the shadow that they were for.
local function shadow_of(backend)
    local shadow = shadows[backend]
    if not shadow then
        shadow = { pending = 0, sent = 0, failed = 0, dropped = 0, skipped = 0 }
        shadows[backend] = shadow
    end
    return shadow
end

local function send(backend, shadow, path, body, headers)
    headers["x-penstock-mirror"], headers["x-penstock-backend"] = { "1" }, { backend }
    local client, answer = core.httpclient(), nil
    pcall(function()
        answer = client:post{
            url = "http://mirror" .. path, dst = "unix@run/mirror.sock", headers = headers, body = body, timeout = 60000,
        }
    end)
    pending, shadow.pending = pending - 1, shadow.pending - 1
    local status = answer and answer.status or 0
    if status == 0 or status == 408 or status >= 424 then -- no answer, or one of those that stand for none
        shadow.failed = shadow.failed + 1
    end
end

-- The body and whether it is all there. HAProxy tells how much of a chunked body has come, not whether that is all;
-- half a buffer is all of it. Of a body of known length, the head may take the room that its end would have needed.
local function buffered(txn, most)
    local length, size = tonumber(txn.f:req_fhdr("content-length")), txn.f:req_body_size() or 0
    if size > (length and most or most / 2) then
        return nil, false
    end
    local body = txn.f:req_body() or ""
    return body, #body >= (length or 0)
end

local function copied_headers(txn)
    local headers = {}
    for _, name in ipairs(COPIED) do
        local value = txn.f:req_fhdr(name)
        if value then
            headers[name] = { value }
        end
    end
    return headers
end

-- Sends copies of the buffered request, if it has at most so many bytes, to the backends in txn.mirror whose percent
-- is above txn.toss, but for the one that answers it. The request itself waits for none of them.
core.register_action("mirror", { "http-req" }, function(txn, most)
    local toss, own, path = txn:get_var("txn.toss"), txn.f:be_name(), txn.f:path()
    local body, whole
    for percent, backend in txn:get_var("txn.mirror"):gmatch("(%d+)|([^|]+)") do
        if tonumber(percent) > toss and backend ~= own then
            local shadow = shadow_of(backend)
            if pending >= MAX_PENDING or shadow.pending >= MAX_PENDING_OF_ONE then
                shadow.dropped = shadow.dropped + 1
            else
                if whole == nil then
                    body, whole = buffered(txn, tonumber(most))
                end
                if whole then
                    pending, shadow.pending, shadow.sent = pending + 1, shadow.pending + 1, shadow.sent + 1
                    local headers = copied_headers(txn)
                    core.register_task(function()
                        send(backend, shadow, path, body, headers)
                    end)
                else
                    shadow.skipped = shadow.skipped + 1
                end
            end
        end
    end
end, 1)

-- The counts of this thread, a line each: backend, what became of the copies, how many.
core.register_service("copies", "http", function(applet)
    local lines = {}
    for backend, shadow in pairs(shadows) do
        for _, outcome in ipairs{ "sent", "failed", "dropped", "skipped" } do
            lines[#lines + 1] = string.format("%s %s %d\n", backend, outcome, shadow[outcome])
        end
    end
    local text = table.concat(lines)
    applet:set_status(200)
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end)

-- Sets txn.deployment to the one that the caller is assigned to, by the header or cookie in txn.sticky; the same as
-- penstock.domain.sticky.assigned. Whoever sends none is not assigned.
core.register_action("assign", { "http-req" }, function(txn)
    local source, name = txn:get_var("txn.sticky"):match("(%a+):(.+)")
    local value = source == "cookie" and txn.f:req_cook(name) or source == "header" and txn.f:req_fhdr(name)
    if not value or value == "" then
        return
    end
    local before, lowest = 0, math.huge
    for limit, deployment in txn:get_var("txn.traffic"):gmatch("(%d+)|([^|]+)") do
        local percent = tonumber(limit) - before
        local digest = txn.c:sha2(txn:get_var("txn.endpoint") .. "/" .. deployment .. "/" .. value, 256)
        local drawn = -math.log((string.unpack(">I6", digest) + 0.5) / 2 ^ 48) / percent
        if drawn < lowest then
            txn:set_var("txn.deployment", deployment)
            lowest = drawn
        end
        before = before + percent
    end
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
-- "late", "ending" with the platform, or "stopping" for a request that must be handed to the new worker.
core.register_action("hold", { "http-req" }, function(txn, backend, longest_ms, room)
    local deadline = milliseconds() + tonumber(longest_ms)
    while true do
        local entry = asleep:lookup(backend)
        if entry == "ending" then
            txn:set_var("txn.held", "ending")
            return
        end
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
