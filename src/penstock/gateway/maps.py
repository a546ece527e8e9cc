"""The contents of HAProxy's maps: what of the routing table changes without a reload.

Every map is read by one rule of the configuration, and what must change at once stands in one entry.
"""

from collections.abc import Mapping
from itertools import accumulate
from urllib.parse import quote

from penstock.gateway.table import Backend, Route, RoutingTable

ENDPOINTS = "maps/endpoints.map"  # name -> name
HOSTS = "maps/hosts.map"  # name in lower case -> name
KEYS = "maps/keys.map"  # name:SHA256 -> name of the key
TRAFFIC = "maps/traffic.map"  # name -> 90|blue|100|green: cumulative percents; no entry without traffic
MIRRORS = "maps/mirrors.map"  # name -> 50|name of a backend|10|name of another: percents, the highest first
STICKY = "maps/sticky.map"  # name -> header:x-user-id, where it decides between deployments
CORS = "maps/cors.map"  # name -> yes: browsers may ask without a key whether they may call
BACKENDS = "maps/backends.map"  # name/deployment -> name of the backend
ASLEEP = "maps/asleep.map"  # name of the backend -> wait, or why no instance can start, percent-encoded

# What most requests need, in one look each. The maps above know it too.
PATHS = "maps/paths.map"  # /endpoints/name/score -> name
SOLE = "maps/sole.map"  # name -> name of the backend, where one deployment has all traffic and nothing is mirrored

# Entries are added in this order and removed in the reverse one, so that an endpoint is complete when it appears.
ALL = (ASLEEP, BACKENDS, KEYS, TRAFFIC, MIRRORS, STICKY, CORS, SOLE, HOSTS, ENDPOINTS, PATHS)

WAIT, ENDING = "wait", "ending"
_MOST_FAILURE = 1000  # characters; an entry must fit a command

Maps = Mapping[str, Mapping[str, str]]


def contents(table: RoutingTable) -> Maps:
    """All maps of a checked table, by file name."""
    routes = sorted(table.routes, key=lambda r: r.endpoint)
    backends = {b.name: backend_name(b.name) for b in table.backends}
    return {
        ASLEEP: {backends[b.name]: _asleep(b) for b in table.backends if b.asleep and b.hold is not None},
        BACKENDS: backends,
        KEYS: {f"{r.endpoint}:{digest}": name for r in routes for name, digest in sorted(r.keys.items(), reverse=True)},
        TRAFFIC: {r.endpoint: _thresholds(r.traffic) for r in routes if any(r.traffic.values())},
        MIRRORS: {r.endpoint: copies for r in routes if (copies := _mirrors(r, backends))},
        STICKY: {r.endpoint: r.sticky for r in routes if r.sticky and sum(map(bool, r.traffic.values())) > 1},
        CORS: {r.endpoint: "yes" for r in routes if r.cors},
        SOLE: {r.endpoint: backends[sole] for r in routes if (sole := _sole(r)) in backends},
        HOSTS: _hosts(routes),
        ENDPOINTS: {r.endpoint: r.endpoint for r in routes},
        PATHS: {f"/endpoints/{r.endpoint}/score": r.endpoint for r in routes},
    }


def backend_name(name: str) -> str:
    """HAProxy's name for the backend of ENDPOINT/DEPLOYMENT. Unique, as neither part has a dot."""
    return name.replace("/", ".")


def deployment_name(backend: str) -> str:
    """ENDPOINT/DEPLOYMENT of a backend's name."""
    return backend.replace(".", "/")


def written(entries: Mapping[str, str]) -> str:
    """A map file with these entries."""
    return "".join(f"{key} {value}\n" for key, value in entries.items())


def _asleep(backend: Backend) -> str:
    return quote(backend.failure[:_MOST_FAILURE]) if backend.failure else WAIT


def _sole(route: Route) -> str:
    """ENDPOINT/DEPLOYMENT of the one that gets every request; empty if there is none, or if some are mirrored."""
    shares = [name for name, percent in route.traffic.items() if percent]
    return f"{route.endpoint}/{shares[0]}" if len(shares) == 1 and not any(route.mirror.values()) else ""


def _mirrors(route: Route, backends: Mapping[str, str]) -> str:
    shadows = {f"{route.endpoint}/{name}": percent for name, percent in route.mirror.items() if percent}
    ordered = sorted(shadows.items(), key=lambda each: (-each[1], each[0]))
    return "|".join(f"{percent}|{backends[name]}" for name, percent in ordered if name in backends)


def _thresholds(traffic: Mapping[str, int]) -> str:
    shares = {name: percent for name, percent in sorted(traffic.items()) if percent}
    return "|".join(f"{limit}|{name}" for limit, name in zip(accumulate(shares.values()), shares, strict=True))


def _hosts(routes: list[Route]) -> dict[str, str]:
    """Hosts have no case, endpoints do: of two that differ in case only, the one in lower case has the host."""
    names = sorted((r.endpoint for r in routes), key=lambda name: (name != name.lower(), name))
    hosts: dict[str, str] = {}
    for name in names:
        hosts.setdefault(name.lower(), name)
    return hosts
