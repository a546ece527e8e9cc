"""Starting a control plane in the background, and ending one, from another process."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import psutil

from penstock.containers.tool import Tool
from penstock.domain.errors import unavailable
from penstock.engines.container import end_owned_containers
from penstock.engines.local import end_owned_processes
from penstock.settings import Settings

_START_SECONDS = 30.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.05
_GRACE = timedelta(seconds=10)
_LAST_BYTES = 4000


def running(settings: Settings) -> dict[str, Any] | None:
    """`url`, `gateway_url` and `pid` of the control plane of this home, if one runs."""
    try:
        found = json.loads(settings.server_file.read_text())
        alive = _alive(psutil.Process(int(found["pid"])))
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        return None
    return found if alive and _healthy(found["url"]) else None


def start_detached(settings: Settings) -> dict[str, Any]:
    """Start a control plane that outlives this process, and wait until it answers.

    Returns what `running` does and `already_running`. Raises `unavailable` with what it said if it ends instead.
    """
    found = running(settings)
    if found is not None:
        return {**found, "already_running": True}
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (settings.home / "logs").mkdir(mode=0o700, exist_ok=True)
    said = settings.home / "logs" / "server.err"
    with open(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock.server"],
            env={**settings.environ, **_variables(settings)},
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
            cwd=settings.home,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        found = running(settings)
        if found is not None and found["pid"] == process.pid:
            return {**found, "already_running": False}
        if process.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    text = said.read_text(errors="replace")[-_LAST_BYTES:].strip()
    raise unavailable(text.removeprefix("error: ") or f"the platform did not start; see {said.with_name('server.log')}")


def stop(settings: Settings) -> list[str]:
    """End the control plane of this home, its gateway and all instances; what is left over from a crash too.

    Returns the names of what had to be ended. Fine if nothing runs.
    """
    ended: list[str] = []
    found = running(settings) or _unresponsive(settings)
    if found is not None:
        ended.append("control plane")
        _end(int(found["pid"]))
    ended += end_owned_processes(str(settings.home), _GRACE)
    ended += end_owned_containers(str(settings.home), settings.container_folder, lambda: _container_tool(settings))
    settings.server_file.unlink(missing_ok=True)
    return ended


def _container_tool(settings: Settings) -> Tool:
    from penstock.outside import container_tool  # it brings databases and more, which no command but this needs

    return container_tool(settings)


def _healthy(url: str) -> bool:
    """Asked with the standard library, which costs a command less time to import than the client's."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _unresponsive(settings: Settings) -> dict[str, Any] | None:
    """A control plane that is there but does not answer: known by its command line, as pids are used again."""
    try:
        found = json.loads(settings.server_file.read_text())
        command = psutil.Process(int(found["pid"])).cmdline()
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return found if any("penstock" in part for part in command) else None


def _end(pid: int) -> None:
    """SIGTERM, and SIGKILL if it does not end in time."""
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while _alive(process):
            if time.monotonic() > deadline:
                process.kill()
                return
            time.sleep(_POLL_SECONDS)
    except psutil.NoSuchProcess:
        return


def _alive(process: psutil.Process) -> bool:
    """A zombie has ended: whoever is pid 1 of a container may reap it late, or never."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _variables(settings: Settings) -> dict[str, str]:
    """The settings that flags may have changed, as variables."""
    return {
        "PENSTOCK_HOME": str(settings.home),
        "PENSTOCK_HOST": settings.host,
        "PENSTOCK_PORT": str(settings.port),
        "PENSTOCK_GATEWAY_PORT": str(settings.gateway_port),
    }
