"""Routing tables, and a real gateway to serve them."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from support.instances import Instance

from penstock.gateway.haproxy import HaproxyGateway
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import Backend, Route, RoutingTable, Server

Value = TypeVar("Value")


@contextmanager
def a_socket_folder() -> Iterator[Path]:
    """A folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="pgw-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def a_gateway(home: Path, sockets: Path, port: int = 0, retry_body_bytes: int = 64 * 1024) -> HaproxyGateway:
    return HaproxyGateway(
        GatewaySettings(
            folder=home / "gateway",
            run_folder=sockets,
            owner=str(home),
            port=port,
            max_body_bytes=1024 * 1024,
            retry_body_bytes=retry_body_bytes,
        )
    )


def a_server(instance: Instance) -> Server:
    return Server(name=instance.name, address=instance.address)


def a_backend(
    deployment: str = "blue", *servers: Server, endpoint: str = "fraud", concurrency: int = 8, **changes: object
) -> Backend:
    values: dict[str, object] = {
        "request_timeout": timedelta(seconds=30),
        "queue_per_instance": 100,
        "queue_wait": timedelta(seconds=30),
    } | changes
    return Backend(endpoint=endpoint, deployment=deployment, servers=servers, concurrency=concurrency, **values)  # type: ignore[arg-type]


def a_route(
    endpoint: str = "fraud",
    keys: tuple[str, ...] = ("k1",),
    traffic: Mapping[str, int] | None = None,
    mirror: Mapping[str, int] | None = None,
    sticky: str = "",
) -> Route:
    hashed = {f"key{n}": hashlib.sha256(key.encode()).hexdigest().upper() for n, key in enumerate(keys)}
    shares = {"blue": 100} if traffic is None else traffic
    return Route(endpoint=endpoint, keys=hashed, traffic=shares, mirror=mirror or {}, sticky=sticky)


def a_table(
    *backends: Backend,
    traffic: Mapping[str, int] | None = None,
    mirror: Mapping[str, int] | None = None,
    keys: tuple[str, ...] = ("k1",),
    sticky: str = "",
) -> RoutingTable:
    """One endpoint, `fraud`."""
    route = a_route(keys=keys, traffic=traffic, mirror=mirror, sticky=sticky)
    return RoutingTable(routes=(route,), backends=backends)


def eventually(look: Callable[[], Value], until: Callable[[Value], bool] = bool) -> Value:
    """What `look` sees once it is as it should be, or after a minute."""
    deadline = time.monotonic() + 60
    while not until(seen := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return seen
