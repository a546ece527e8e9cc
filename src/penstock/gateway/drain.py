"""The end of a gateway that loses nothing: no new connections, and an answer for every request that has come."""

import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from penstock.domain.errors import PenstockError
from penstock.gateway.backends import SUCCESSOR
from penstock.gateway.process import marked
from penstock.gateway.runtime import Runtime

_LOOK_SECONDS = 0.05
_QUIET_LOOKS = 4  # a connection from before may send one request more, and is closed with its answer


def drain(owner: str, run_folder: Path, deadline: float, at_once: Callable[[], bool]) -> None:
    """Have the gateway of `owner` take no new connections, and return when it has answered all requests.

    Returns at `deadline` (monotonic seconds), or when `at_once` says so, in any case. Whatever runs still is idle then,
    or has had its time.
    """
    runtime, quiet = Runtime(run_folder), 0
    with contextlib.suppress(PenstockError):
        runtime.let_go()
    with contextlib.suppress(PenstockError):
        runtime.command(f"set server {SUCCESSOR}/{SUCCESSOR} state maint")  # there will be none
    processes = marked(owner)
    pids = {process.pid for process in processes}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids:  # a master, which tells its workers
                process.send_signal(signal.SIGUSR1)
    while quiet < _QUIET_LOOKS and time.monotonic() < deadline and not at_once() and marked(owner):
        try:
            quiet = 0 if runtime.unanswered() else quiet + 1
        except PenstockError:  # the last worker has ended, and the master is about to
            quiet += 1
        time.sleep(_LOOK_SECONDS)
