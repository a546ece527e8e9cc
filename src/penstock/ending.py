"""The end of a platform within bounds: what has come is answered, then gateway, instances and MLflow end."""

import signal
import time
from collections.abc import Callable
from datetime import timedelta

import psutil

from penstock import home
from penstock.containers.tool import Tool
from penstock.engines.container import end_owned_containers
from penstock.engines.local import end_owned_processes
from penstock.gateway.drain import drain
from penstock.settings import Settings

_SHARE = 0.8  # of the time, for requests; the rest for the processes, which are idle by then
_GRACE_SECONDS = 10.0
_LOOK_SECONDS = 0.05


def end_serving(settings: Settings, deadline: float, at_once: Callable[[], bool] = lambda: False) -> list[str]:
    """End everything that a control plane has left running, and return the names.

    At `deadline` (monotonic seconds), or when `at_once` says so, whatever is left is killed.
    """
    owner = str(settings.home)
    now = time.monotonic()
    drain(owner, settings.run_folder, now + _SHARE * (deadline - now), at_once)
    left = max(0.0, deadline - time.monotonic())
    grace = timedelta(seconds=min(_GRACE_SECONDS, left))
    ended = end_owned_processes(owner, grace, at_once)
    return ended + end_owned_containers(owner, settings.container_folder, lambda: _container_tool(settings))


def end_control_planes(settings: Settings) -> list[str]:
    """Have the control planes of this home end, but for this very process: the one that leads last. Returns names."""
    leading = home.leader(settings.server_file)
    places = sorted(home.control_planes(settings.home), key=lambda place: leading is not None and place == leading)
    mine = psutil.Process().pid
    others = [place for place in places if place.pid != mine]
    for place in others:
        end_process(place.pid, settings.drain_seconds + 15)
    return [f"control plane {place.name!r}" if len(others) > 1 else "control plane" for place in others]


def end_process(pid: int, patience_seconds: float) -> None:
    """SIGTERM, and SIGKILL if it does not end in time."""
    try:
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + patience_seconds
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > deadline:
                process.kill()
                return
            time.sleep(_LOOK_SECONDS)
    except psutil.NoSuchProcess:
        return


def _container_tool(settings: Settings) -> Tool:
    from penstock.outside import container_tool  # it brings databases and more, which no command but this needs

    return container_tool(settings)
