"""What may stand in a routing table that is written into HAProxy's configuration, maps and commands."""

import re
from collections.abc import Iterable

from penstock.domain.errors import PenstockError, invalid
from penstock.gateway.table import MAX_CONCURRENCY, Backend, Route, RoutingTable

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_SERVER = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z")
_KEY = re.compile(r"[0-9A-F]{64}\Z")
_SOCKET = re.compile(r"/[A-Za-z0-9_./+=@~-]{1,107}\Z")
_PORT = re.compile(r"127\.0\.0\.1:([1-9][0-9]{0,4})\Z")
_PATH = re.compile(r"/[A-Za-z0-9_.~/@:+=,-]{0,255}\Z")
_STICKY = re.compile(r"(header|cookie):[A-Za-z0-9_-]{1,64}\Z")
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,255}\Z")


def check_table(table: RoutingTable) -> RoutingTable:
    """`table` if nothing in it could change the meaning of a configuration or command; else an `invalid` error.

    Names are checked where users give them; here stands the second gate, for all of them and for what follows
    from them.
    """
    for route in table.routes:
        _check_route(route)
    for backend in table.backends:
        _check_backend(backend)
    _once("endpoint", (route.endpoint for route in table.routes))
    _once("deployment", (backend.name for backend in table.backends))
    _once("instance", (server.name for backend in table.backends for server in backend.servers))
    return table


def check_host(host: str) -> str:
    """`host` if a gateway may be told to listen on it, else an `invalid` error."""
    if not _HOST.match(host):
        raise invalid(f"gateway host {host!r} is not an address: give an IP address or a host's name")
    return host


def check_address(address: str) -> str:
    """`address` if HAProxy can be given it as a server's, else an `invalid` error: a socket's path, or a local port."""
    port = _PORT.match(address)
    return address if port is not None and int(port[1]) < 65536 else check_socket(address)


def check_socket(path: str) -> str:
    """`path` if HAProxy can be given it as a server's socket, else an `invalid` error."""
    if not _SOCKET.match(path):
        raise invalid(
            f"socket path {path!r} cannot be a server of the gateway: it must be absolute, at most 108 characters, "
            "without spaces and special characters"
        )
    return path


def _check_route(route: Route) -> None:
    _check(_NAME, "endpoint", route.endpoint)
    for name, digest in route.keys.items():
        _check(_NAME, "key", name)
        if not _KEY.match(digest):
            raise invalid(f"key {name!r} of endpoint {route.endpoint!r} is not a SHA-256 in upper-case hex")
    for deployment in (*route.traffic, *route.mirror):
        _check(_NAME, "deployment", deployment)
    if sum(route.traffic.values()) not in (0, 100) or any(not 0 <= p <= 100 for p in route.traffic.values()):
        raise invalid(f"traffic of endpoint {route.endpoint!r} does not sum to 0 or 100: {dict(route.traffic)}")
    if any(not 0 <= p <= 100 for p in route.mirror.values()):
        raise invalid(f"mirror of endpoint {route.endpoint!r} is not of 0 to 100 percent: {dict(route.mirror)}")
    if route.sticky and not _STICKY.match(route.sticky):
        raise invalid(f"endpoint {route.endpoint!r} cannot be sticky by {route.sticky!r}")


def _check_backend(backend: Backend) -> None:
    _check(_NAME, "endpoint", backend.endpoint)
    _check(_NAME, "deployment", backend.deployment)
    concurrencies = (backend.concurrency, *(s.concurrency for s in backend.servers if s.concurrency is not None))
    if any(not 1 <= c <= MAX_CONCURRENCY for c in concurrencies) or backend.queue_per_instance < 0:
        raise invalid(
            f"deployment {backend.name!r} must take 1 to {MAX_CONCURRENCY} requests at a time, and let 0 or more wait"
        )
    if not _PATH.match(backend.scoring_path):
        raise invalid(
            f"scoring route {backend.scoring_path[:80]!r} of deployment {backend.name!r} cannot be given to the "
            "gateway: write a path of letters, digits and -._~/@:+=,"
        )
    for server in backend.servers:
        _check(_SERVER, "instance", server.name)


def _check(pattern: re.Pattern[str], what: str, text: str) -> None:
    if not pattern.match(text):
        raise _unsafe(what, text)


def _unsafe(what: str, text: str) -> PenstockError:
    return invalid(f"{what} name {text[:80]!r} cannot be given to the gateway: it holds characters that are not safe")


def _once(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise invalid(f"{what} {name!r} stands twice in the routing table")
        seen.add(name)
