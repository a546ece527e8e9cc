"""CPU time of HAProxy for one request: the gateway as Penstock configures it, against a bare HAProxy.

Both stand before the same instance, an HAProxy that answers everything by itself, so that nothing but the gateway is
measured. Rounds alternate; quote the ratios. Needs `wrk`.
"""

import argparse
import contextlib
import hashlib
import re
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from penstock.gateway import maps
from penstock.gateway.config import SCRIPT, Host, render
from penstock.gateway.process import find_program
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import Backend, Route, RoutingTable, Server

KEY = "abcdefghijklmnopqrstuvwxyz012345"
BODY = '{"input_data":{"columns":["a","b"],"data":[[1,2]]}}'
COMMON = """
global
    nbthread {threads}
    maxconn 4000
defaults
    mode http
    balance leastconn
    http-reuse always
    timeout client 30s
    timeout server 30s
    timeout connect 1s
    timeout http-keep-alive 60s
"""
INSTANCE = """
frontend instance
    bind unix@instance.sock
    http-request return status 200 content-type application/json hdr x-ms-run-function-failed False string "[1, 2]"
"""
BARE = """
frontend bare
    bind 127.0.0.1:{port}
    default_backend instance
backend instance
    server instance unix@{socket} maxconn 64
"""


@dataclass
class Side:
    """An HAProxy and where it is asked."""

    name: str
    pid: int
    url: str

    def cpu_seconds(self) -> float:
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def main() -> None:
    """Start all sides, ask them in turn, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pgb-") as folder, contextlib.ExitStack() as stack:
        script = Path(folder) / "post.lua"
        script.write_text(
            f"wrk.method = 'POST'\nwrk.body = '{BODY}'\nwrk.headers['Content-Type'] = 'application/json'\n"
            f"wrk.headers['Authorization'] = 'Bearer {KEY}'\nwrk.headers['X-User-Id'] = 'someone'\n"
        )
        sides = list(started(Path(folder), arguments.threads, stack))
        figures: dict[str, list[float]] = {side.name: [] for side in sides}
        for round_ in range(arguments.rounds + 1):
            for side in sides:
                before = side.cpu_seconds()
                requests = asked(side.url, script, arguments.seconds, arguments.connections)
                if round_:  # the first one warms up
                    figures[side.name].append((side.cpu_seconds() - before) / requests * 1e6)
    base = figures["bare"]
    for name, values in figures.items():
        ratio = statistics.median(value / other for value, other in zip(values, base, strict=True))
        print(f"{name:28} {statistics.median(values):6.1f} us/request   {ratio:5.2f} x bare")


def started(folder: Path, threads: int, stack: contextlib.ExitStack) -> Iterator[Side]:
    """The instance, and the sides before it."""
    launch(folder / "instance", COMMON.format(threads=1) + INSTANCE, stack)
    instance = folder / "instance" / "instance.sock"
    port = free_port()
    pid = launch(folder / "bare", COMMON.format(threads=threads) + BARE.format(port=port, socket=instance), stack)
    yield Side("bare", pid, f"http://127.0.0.1:{port}/score")
    halves = {"blue": 50, "green": 50}
    for name, route, retry_kib in (
        ("gateway", {}, 16),
        ("gateway, split traffic", {"traffic": halves}, 16),
        ("gateway, callers assigned", {"traffic": halves, "sticky": "header:x-user-id"}, 16),
        ("gateway, all mirrored", {"mirror": {"green": 100}}, 16),
        ("gateway, retry 256 KiB", {}, 256),
    ):
        port, home = free_port(), folder / name.replace(" ", "-").replace(",", "")
        written(home, instance, route, retry_kib, Host(port=port, max_connections=4000, threads=threads))
        pid = launch(home, (home / "haproxy.cfg").read_text(), stack)
        yield Side(name, pid, f"http://127.0.0.1:{port}/endpoints/fraud/score")


def written(home: Path, instance: Path, changes: dict[str, Any], retry_kib: int, host: Host) -> None:
    """The files of a gateway with one endpoint."""
    for made in (home / "maps", home / "run"):
        made.mkdir(parents=True)
    backends = tuple(
        Backend(
            endpoint="fraud",
            deployment=name,
            servers=(Server(name=name, address=str(instance)),),
            request_timeout=timedelta(seconds=5),
            concurrency=64,
            queue_per_instance=100,
            queue_wait=timedelta(seconds=5),
        )
        for name in ("blue", "green")
    )
    fields = {"traffic": {"blue": 100}, **changes}
    route = Route(endpoint="fraud", keys={"primary": hashlib.sha256(KEY.encode()).hexdigest().upper()}, **fields)
    settings = GatewaySettings(folder=home, run_folder=home / "run", owner=str(home), retry_body_bytes=retry_kib * 1024)
    config = render(RoutingTable(routes=(route,), backends=backends), settings, host)
    for file, entries in config.maps.items():
        (home / file).write_text(maps.written(entries))
    (home / "gateway.lua").write_text(SCRIPT)
    (home / "servers.state").touch()
    (home / "haproxy.cfg").write_text(config.text)


def launch(folder: Path, text: str, stack: contextlib.ExitStack) -> int:
    """Run HAProxy in `folder` until the stack is closed; its pid."""
    folder.mkdir(exist_ok=True)
    (folder / "haproxy.cfg").write_text(text)
    log = stack.enter_context((folder / "log").open("wb"))
    command = [find_program(None), "-C", str(folder), "-f", "haproxy.cfg"]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    time.sleep(0.5)
    if process.poll() is not None:
        raise SystemExit((folder / "log").read_text())
    return process.pid


def asked(url: str, script: Path, seconds: int, connections: int) -> int:
    """How many requests wrk got answered in that time."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    found = re.search(r"(\d+) requests in", said)
    if failed or not found:
        raise SystemExit(f"{url}: {said}")
    return int(found[1])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main()
