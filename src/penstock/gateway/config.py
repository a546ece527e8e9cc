"""HAProxy's configuration, rendered from a routing table. Pure: what it comes to is in `changes`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.gateway import answers, backends, maps
from penstock.gateway.frontend import frontend
from penstock.gateway.inner import inner_frontends
from penstock.gateway.refusals import refusals
from penstock.gateway.sections import section
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import Backend, RoutingTable, Server
from penstock.gateway.validity import check_table

SCRIPTS = {name: Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("gateway.lua", "counts.lua")}
CLIENT_SECONDS = 10  # for a request to arrive: all of it, or as much as is buffered

_BUFFER_HEADROOM = 8 * 1024  # for the headers of a request that is kept for a retry
_HOT_BUFFERS = 16  # kept by each thread
_SLOTS = (4, 8, 20)  # deployments of one endpoint; Azure allows 20
_HARD_STOP_SECONDS = 660  # an old worker lives for the longest request and its wait at most


@dataclass(frozen=True, kw_only=True)
class Host:
    """What the machine gives the gateway."""

    port: int
    max_connections: int
    threads: int


@dataclass(frozen=True, kw_only=True)
class WantedServer:
    """A server as HAProxy shall have it. `options` are those of its backend, then `own_options`."""

    backend: str
    name: str
    address: str
    options: str
    own_options: str
    draining: bool


@dataclass(frozen=True, kw_only=True)
class Config:
    """All that HAProxy is given. `structure` fingerprints the parts that only a reload can change, by part."""

    text: str
    maps: maps.Maps
    structure: Mapping[str, str]
    servers: tuple[WantedServer, ...]


def render(table: RoutingTable, settings: GatewaySettings, host: Host) -> Config:
    """The configuration for a table. Raises `invalid` if something in it could not be written down safely."""
    check_table(table)
    ordered = sorted(table.backends, key=lambda b: b.name)
    slots = _slots(table)
    sections = {maps.backend_name(b.name): backends.backend_section(b, settings) for b in ordered}
    inner = inner_frontends(host.threads) + refusals(settings.max_body_bytes)
    frame = _process(settings, host) + _defaults() + frontend(settings, host.port, slots=0) + inner
    structure = {"gateway": _digest(frame + "".join(SCRIPTS.values())), "slots": str(slots)}
    structure |= {name: _digest(text) for name, text in sections.items()}
    servers = tuple(_wanted(b, s, settings) for b in ordered for s in sorted(b.servers))
    return Config(
        text=_process(settings, host)
        + f"    description {answers.quoted(description(structure))}\n"
        + _defaults()
        + frontend(settings, host.port, slots)
        + inner
        + "".join(text + _server_lines(servers, name) for name, text in sections.items()),
        maps=maps.contents(table),
        structure=structure,
        servers=servers,
    )


def description(structure: Mapping[str, str]) -> str:
    """The structure as the running process shows it in `show info`."""
    return " ".join(f"{part}={digest}" for part, digest in structure.items())


def _process(settings: GatewaySettings, host: Host) -> str:
    buffer_bytes = settings.retry_body_bytes + _BUFFER_HEADROOM
    return section(
        "global",
        "stats socket unix@run/admin.sock mode 600 level admin expose-fd listeners",
        "stats timeout 30s",
        f"nbthread {host.threads}",
        f"maxconn {host.max_connections}",
        f"hard-stop-after {_HARD_STOP_SECONDS}s",
        "noreuseport",  # two gateways on one port would each get half of the requests
        f"tune.bufsize {buffer_bytes}",
        # Large buffers go back to the system after each request unless a thread may keep some: twice the CPU time.
        f"tune.memory.hot-size {_HOT_BUFFERS * buffer_bytes}",
        "server-state-file servers.state",
        "lua-load-per-thread gateway.lua",
        "lua-load counts.lua",
        "httpclient.resolvers.disabled on",
        "httpclient.ssl.verify none",
        "httpclient.retries 0",
    )


def _defaults() -> str:
    return section(
        "defaults",
        "mode http",
        "balance leastconn",
        f"timeout http-request {CLIENT_SECONDS}s",
        "timeout http-keep-alive 60s",
        "timeout client 30s",
        "timeout connect 1s",
        "timeout server 5s",
        "timeout check 2s",
        "option http-buffer-request",
        "option idle-close-on-response",
        "option redispatch 1",
        "retries 5",
        "retry-on conn-failure empty-response junk-response",
        "http-reuse always",
        "load-server-state-from-file global",
        f"http-error {answers.bad_request()}",
        f"http-error {answers.slow_client(CLIENT_SECONDS)}",
        f"http-error {answers.internal()}",
    )


def _server_lines(servers: Sequence[WantedServer], backend: str) -> str:
    return "".join(f"    server {s.name} {s.address}{s.own_options}\n" for s in servers if s.backend == backend)


def _wanted(backend: Backend, server: Server, settings: GatewaySettings) -> WantedServer:
    return WantedServer(
        backend=maps.backend_name(backend.name),
        name=server.name,
        address=backends.server_address(server, settings),
        options=backends.server_options(backend) + backends.own_options(server),
        own_options=backends.own_options(server),
        # The last instances of a deployment that falls asleep take what waits in its queue; nothing new gets there.
        draining=server.draining and not (backend.asleep and backend.hold is not None),
    )


def _slots(table: RoutingTable) -> int:
    most = max((sum(map(bool, route.traffic.values())) for route in table.routes), default=0)
    names = [backend.endpoint for backend in table.backends]
    most = max(most, *(names.count(name) for name in set(names)), 0)
    return next((room for room in _SLOTS if most <= room), most)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
