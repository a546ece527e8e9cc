"""HAProxy's configuration, rendered from a routing table. Pure: what it comes to is in `changes`."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.gateway import answers, backends, maps
from penstock.gateway.inner import INNER_FRONTENDS
from penstock.gateway.sections import section
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import Backend, RoutingTable, Server
from penstock.gateway.validity import check_host, check_table

SCRIPT = Path(__file__).with_name("gateway.lua").read_text(encoding="utf-8")
CLIENT_SECONDS = 10  # for a request to arrive: all of it, or as much as is buffered

_BUFFER_HEADROOM = 32 * 1024  # for the headers of a request that is kept for a retry
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
    """A server as HAProxy shall have it. `options` are those of its backend."""

    backend: str
    name: str
    address: str
    options: str
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
    frame = _process(settings, host) + _defaults() + _frontend(settings, host, slots=0) + INNER_FRONTENDS
    structure = {"gateway": _digest(frame + SCRIPT), "slots": str(slots)}
    structure |= {name: _digest(text) for name, text in sections.items()}
    servers = tuple(_wanted(b, s, settings) for b in ordered for s in sorted(b.servers))
    return Config(
        text=_process(settings, host)
        + f"    description {answers.quoted(description(structure))}\n"
        + _defaults()
        + _frontend(settings, host, slots)
        + INNER_FRONTENDS
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


def _frontend(settings: GatewaySettings, host: Host, slots: int) -> str:
    return section(
        "frontend gateway",
        _bind(settings, host),
        # The body is waited for in the backend: without a key, nobody fills a buffer.
        "no option http-buffer-request",
        *_log_rules(),
        *_identity_rules(),
        f"http-request return {answers.healthy()} if METH_GET {{ path /healthz }}",
        *_endpoint_rules(),
        *_route_rules(settings),
        *_deployment_rules(slots),
        *_mirror_rules(),
        *_answer_rules(),
        "use_backend %[var(txn.backend)]",
    )


def _bind(settings: GatewaySettings, host: Host) -> str:
    name = check_host(settings.host)
    return f"bind [{name}]:{host.port}" if ":" in name else f"bind {name}:{host.port}"


def _log_rules() -> list[str]:
    """One line for each request that failed. Never headers or the query: they may hold secrets."""
    fields = (
        "%[date,utime(%Y-%m-%dT%H:%M:%SZ)] client=%ci status=%ST state=%ts backend=%b instance=%s retries=%rc "
        "queued=%bq ms=%Ta id=%{+Q}[var(txn.id)] request=%{+Q}[var(txn.request)]"
    )
    return ["log stdout format raw local0", "option dontlog-normal", f"log-format {answers.quoted(fields)}"]


def _identity_rules() -> list[str]:
    return [
        "http-request set-var(txn.id) req.fhdr(x-request-id),bytes(0,100)",
        "http-request set-var(txn.id) uuid() unless { var(txn.id) -m len 1:100 }",
        "http-request set-var(txn.client_id) req.fhdr(x-ms-client-request-id),bytes(0,100)",
        'http-request set-var-fmt(txn.request) "%[method] %[path,bytes(0,200)]"',
        "http-request set-header x-request-id %[var(txn.id)]",
        "http-request del-header x-penstock- -m beg",
        "http-after-response set-header x-request-id %[var(txn.id)]",
        "http-after-response set-header x-ms-client-request-id %[var(txn.client_id)]"
        " if { var(txn.client_id) -m found }",
    ]


def _endpoint_rules() -> list[str]:
    """Which endpoint, by path or else by host, and may the caller use it?"""
    return [
        "acl by_path path_beg /endpoints/",
        f"http-request set-var(txn.endpoint) path,field(3,/),map({maps.ENDPOINTS}) if by_path",
        "http-request set-var(txn.route) path,field(4,/,0) if by_path",
        f"http-request set-var(txn.endpoint) req.hdr(host),host_only,lower,field(1,.),map({maps.HOSTS})"
        " if !by_path { req.hdr(host),host_only -m sub . }",
        "http-request set-var(txn.route) path,field(2,/,0) if !by_path",
        f"http-request return {answers.endpoint_not_found()} unless {{ var(txn.endpoint) -m found }}",
        "http-request set-var(txn.key) http_auth_bearer,sha2(256),hex",
        f"http-request set-var(txn.key_name) var(txn.endpoint),concat(:,txn.key),map({maps.KEYS})"
        " if { var(txn.key) -m found }",
        f"http-request return {answers.unauthorized()} unless {{ var(txn.key_name) -m found }}",
        "http-request del-header authorization",
    ]


def _route_rules(settings: GatewaySettings) -> list[str]:
    return [
        "acl score var(txn.route) -m str score",
        "acl swagger var(txn.route) -m str swagger.json",
        f"http-request return {answers.route_not_found()} if !score !swagger",
        f"http-request return {answers.method_not_allowed('GET, POST')} if score !METH_GET !METH_POST",
        f"http-request return {answers.method_not_allowed('GET')} if swagger !METH_GET",
        f"http-request return {answers.too_large(settings.max_body_bytes)}"
        f" if {{ req.hdr_val(content-length) gt {settings.max_body_bytes} }}",
        "http-request set-path /%[var(txn.route)]",
    ]


def _deployment_rules(slots: int) -> list[str]:
    """The deployment that the caller names, or one drawn by the cumulative percents of the endpoint's entry."""
    draws = [
        f"http-request set-var(txn.deployment) var(txn.traffic),field({2 * slot + 2},|)"
        f" if !pinned !{{ var(txn.deployment) -m found }}"
        f" {{ var(txn.traffic),field({2 * slot + 1},|),sub(txn.draw) gt 0 }}"
        for slot in range(slots)
    ]
    return [
        "http-request set-var(txn.pin) req.fhdr(azureml-model-deployment)",
        "acl pinned var(txn.pin),length gt 0",
        f"http-request set-var(txn.traffic) var(txn.endpoint),map({maps.TRAFFIC})",
        f"http-request return {answers.no_traffic()} if !pinned !{{ var(txn.traffic) -m found }}",
        "http-request set-var(txn.draw) rand(100)",
        "http-request set-var(txn.deployment) var(txn.pin) if pinned",
        *draws,
        f"http-request set-var(txn.backend) var(txn.endpoint),concat(/,txn.deployment),map({maps.BACKENDS})",
        f"http-request return {answers.deployment_not_found()} if pinned !{{ var(txn.backend) -m found }}",
        f"http-request return {answers.no_healthy_instance()} unless {{ var(txn.backend) -m found }}",
    ]


def _mirror_rules() -> list[str]:
    return [
        f"http-request set-var(txn.mirror) var(txn.endpoint),map({maps.MIRRORS}) if score METH_POST !pinned",
        "http-request set-var(txn.toss) rand(100)",
        "http-request set-var(txn.mirrored) var(txn.mirror),field(2,|)"
        " if { var(txn.mirror),field(1,|),sub(txn.toss) gt 0 }",
        f"http-request set-var(txn.shadow) var(txn.endpoint),concat(/,txn.mirrored),map({maps.BACKENDS})"
        " if { var(txn.mirrored) -m found }",
    ]


def _answer_rules() -> list[str]:
    """Statuses as Azure has them. Those of instances and those of HAProxy are told apart by txn.answered."""
    return [
        "http-response set-var(txn.answered) bool(true)",
        "http-response set-header ms-azureml-model-error-statuscode %[status] if { status ge 500 }",
        "http-response set-header ms-azureml-model-error-reason model_error if { status ge 500 }",
        'http-response set-status 424 reason "Failed Dependency" if { status ge 500 }',
        "acl own_answer var(txn.answered) -m found",
        "http-after-response set-status 408 if { status 504 } !own_answer",
        "http-after-response set-status 429 if { status 503 } !own_answer { var(txn.failure) -m str TooManyRequests }",
        "http-after-response set-status 502 if { status 503 } !own_answer { var(txn.failure) -m str InstanceFailed }",
        "http-after-response set-header azureml-model-deployment %[var(txn.deployment)]"
        " if { var(txn.backend) -m found }",
    ]


def _server_lines(servers: Sequence[WantedServer], backend: str) -> str:
    return "".join(f"    server {s.name} {s.address}\n" for s in servers if s.backend == backend)


def _wanted(backend: Backend, server: Server, settings: GatewaySettings) -> WantedServer:
    return WantedServer(
        backend=maps.backend_name(backend.name),
        name=server.name,
        address=backends.server_address(server, settings),
        options=backends.server_options(backend),
        draining=server.draining,
    )


def _slots(table: RoutingTable) -> int:
    most = max((sum(map(bool, route.traffic.values())) for route in table.routes), default=0)
    names = [backend.endpoint for backend in table.backends]
    most = max(most, *(names.count(name) for name in set(names)), 0)
    return next((room for room in _SLOTS if most <= room), most)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
