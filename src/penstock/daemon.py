"""Starting a control plane in the background, and ending one, from another process."""

import http.client
import os
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import psutil

from penstock import home
from penstock.domain.errors import unavailable
from penstock.ending import end_control_planes, end_serving
from penstock.settings import Settings

_START_SECONDS = 30.0
_POLL_SECONDS = 0.05
_LAST_BYTES = 4000


def running(settings: Settings) -> dict[str, Any] | None:
    """`url`, `gateway_url` and `pid` of the control plane that these settings name, if it runs."""
    place = home.found(settings.home, settings.name)
    if place is None or not _alive(place.pid) or not _healthy(place.url):
        return None
    return {"url": place.url, "gateway_url": place.gateway_url, "pid": place.pid}


def start_detached(settings: Settings) -> dict[str, Any]:
    """Start a control plane that outlives this process, and wait until it answers.

    Returns what `running` does and `already_running`. Raises `unavailable` with what it said if it ends instead.
    """
    found = running(settings)
    if found is not None:
        return {**found, "already_running": True}
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (settings.home / "logs").mkdir(mode=0o700, exist_ok=True)
    said = settings.home / "logs" / ("standby.err" if settings.standby else "server.err")
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
    raise unavailable(text.removeprefix("error: ") or f"the platform did not start; see {said.with_suffix('.log')}")


def stop(settings: Settings) -> list[str]:
    """End the control planes of this home, its gateway and all instances; what is left over from a crash too.

    Returns the names of what had to be ended. Fine if nothing runs.
    """
    ended = end_control_planes(settings)
    ended += end_serving(settings, time.monotonic() + settings.drain_seconds)
    settings.server_file.unlink(missing_ok=True)
    return ended


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


def _alive(pid: int) -> bool:
    """A zombie has ended: whoever is pid 1 of a container may reap it late, or never."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _variables(settings: Settings) -> dict[str, str]:
    """The settings that flags may have changed, as variables."""
    return {
        "PENSTOCK_HOME": str(settings.home),
        "PENSTOCK_HOST": settings.host,
        "PENSTOCK_PORT": str(settings.port),
        "PENSTOCK_GATEWAY_PORT": str(settings.gateway_port),
        "PENSTOCK_STANDBY": str(settings.standby),
        "PENSTOCK_STANDBY_PORT": "" if settings.standby_port is None else str(settings.standby_port),
        "PENSTOCK_KEEP_SERVING": str(settings.keep_serving),
    }
