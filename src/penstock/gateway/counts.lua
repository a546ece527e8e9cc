-- How many requests were refused and how many failed, by backend. HAProxy's own counters do not tell a request that the
-- gateway could not serve from one that a model refused.
--
-- Loaded once for all threads: one at a time is in here, and only requests get here that are not answered well.

local refused, failed = {}, {}

local function counting(counts)
    return function(_, backend)
        counts[backend] = (counts[backend] or 0) + 1
        return "1"
    end
end

core.register_fetches("refused", counting(refused))
core.register_fetches("failed", counting(failed))

-- Lines of kind, backend, and number.
core.register_cli({ "show", "failures" }, "show failures : requests that were refused or failed, by backend", function(applet)
    local lines = {}
    for kind, counts in pairs({ refused = refused, failed = failed }) do
        for backend, count in pairs(counts) do
            lines[#lines + 1] = string.format("%s %s %d\n", kind, backend, count)
        end
    end
    applet:send(table.concat(lines))
end)
