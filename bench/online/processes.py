"""Processes of the servers under test: found by their session and descent, weighed, frozen, and ended by their ids."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

_TURNS = 200_000


@dataclass(frozen=True)
class Memory:
    """In MB of a million bytes. Pages that several processes share count once each in `rss`, in parts in `pss`."""

    rss: float
    pss: float


def family(leader: int) -> list[psutil.Process]:
    """Those that live of its session, and their descendants.

    Ray's processes lose their parents and overwrite their environment, and BentoML's have sessions of their own.
    """
    living = {process.pid: process for process in psutil.process_iter(("ppid", "status"))}
    found: set[int] = set()
    for pid, process in living.items():
        with contextlib.suppress(OSError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(pid) == leader:
                found.add(pid)
    while more := {pid for pid, process in living.items() if process.info["ppid"] in found} - found:
        found |= more
    return [living[pid] for pid in found if living[pid].info["status"] != psutil.STATUS_ZOMBIE]


def environments() -> Iterable[tuple[psutil.Process, Mapping[str, str]]]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            yield process, process.environ()


def cpu_seconds(processes: Iterable[psutil.Process]) -> dict[int, float]:
    """By process id. A thread that has ended is counted, a process that has ended is not."""
    found: dict[int, float] = {}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    return found


def busy_seconds() -> float:
    """Of all cores since the machine was started."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice


def own_seconds() -> float:
    """Of this process and of the children it has waited for: the load."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def memory(processes: Iterable[psutil.Process]) -> Memory:
    rss = pss = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            used = process.memory_full_info()
            rss, pss = rss + used.rss, pss + used.pss
    return Memory(rss / 1e6, pss / 1e6)


def freeze(processes: Sequence[psutil.Process]) -> None:
    _signal(processes, signal.SIGSTOP)


def thaw(processes: Sequence[psutil.Process]) -> None:
    _signal(processes, signal.SIGCONT)


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """It leads a session of its own: that keeps Ctrl-C away from it, and tells its processes from all others."""
    surroundings = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environment}
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=surroundings,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def end(process: "subprocess.Popen[bytes]") -> None:
    """It and all of its family; first asked, after some seconds killed."""
    thaw(found := family(process.pid))
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    until = time.monotonic() + 3
    while (left := _living(found, process.pid)) and time.monotonic() < until:
        _signal(left, signal.SIGTERM)
        time.sleep(0.1)
    _signal(left, signal.SIGKILL)
    process.wait(timeout=10)


def loop_nanoseconds() -> float:
    """How long a turn of a fixed loop takes right now: it shows how much the machine's own speed has drifted."""
    began = time.perf_counter()
    for _ in range(_TURNS):
        pass
    return (time.perf_counter() - began) / _TURNS * 1e9


def _living(known: Iterable[psutil.Process], leader: int) -> list[psutil.Process]:
    """Those known before the leader ended, and its session. An id that another process got since is none of them."""
    return [process for process in {*known, *family(leader)} if process.is_running()]


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
