"""The default engine: child processes of this host, which outlive the control plane that started them.

No state is kept on disk. What runs is found again by the marks in the processes' own environment.
"""

import errno
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from penstock.domain.errors import PenstockError, failed
from penstock.engines import marks
from penstock.engines.base import Process, ProcessSpec
from penstock_worker.contract import INSTANCE, OWNER

_OOM_SCORE = (
    "300"  # models go before what brings them back: the control plane, which they have theirs from, and gateway
)
_LOOK_AGAIN = 0.05  # seconds between two looks at processes that were told to end
_DYING = timedelta(seconds=5)  # for killed processes to go: the kernel may have to free a lot of memory first


class LocalEngine:
    """Processes of one owner on this host; see `Engine`. `owner` is the home folder of the platform.

    Each process leads a session of its own. A process's exit code is known to the engine whose child it is; an
    engine made later sees only that it has ended.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._lock = threading.Lock()
        self._children: dict[str, _Child] = {}
        for name, family in marks.families(marks.find(owner)).items():
            if family.leader is None:
                _kill_family(owner, name)
            else:
                self._adopt(name, family.leader)

    def start(self, spec: ProcessSpec) -> Process:
        with self._lock:
            self._refresh(spec.name)
            child = self._children.get(spec.name)
            if child is not None and not child.ended:
                return child.seen()
            # An earlier engine may have been killed while it was forking: its child carried no marks until it
            # had become the new program, perhaps after this engine looked.
            family = marks.families(marks.find(self._owner)).get(spec.name)
            if family is not None and family.leader is not None and self._adopt(spec.name, family.leader):
                return self._children[spec.name].seen()
            if family is not None:
                _kill_family(self._owner, spec.name)
            process = psutil.Process(_spawn(spec, self._owner))
            self._children[spec.name] = _Child(spec.name, process, process.create_time(), own=True)
            return self._children[spec.name].seen()

    def inspect(self) -> Sequence[Process]:
        with self._lock:
            for name in self._children:
                self._refresh(name)
            return [child.seen() for child in self._children.values()]

    def stop(self, name: str, grace: timedelta) -> None:
        """See `Engine`. At first only the leader is told (SIGTERM), so that it can drain what it works on."""
        with self._lock:
            self._refresh(name)
            child = self._children.get(name)
            if child is None or child.ended:
                return
            if child.stopping_since is None:
                child.stopping_since = time.monotonic()
                _send(child.process, signal.SIGTERM)
            if time.monotonic() - child.stopping_since >= grace.total_seconds():
                _kill_session(child.process)
                _kill_family(self._owner, name)

    def forget(self, name: str) -> None:
        with self._lock:
            self._refresh(name)
            child = self._children.get(name)
            if child is not None and child.ended:
                del self._children[name]

    def _adopt(self, name: str, leader: marks.Marked) -> bool:
        """Take over a process that an earlier engine started; False if it has just ended."""
        process = marks.still(leader)
        if process is not None:
            self._children[name] = _Child(name, process, leader.created, own=False)
        return process is not None

    def _refresh(self, name: str) -> None:
        """Note if the process has ended, and then end what it has left behind."""
        child = self._children.get(name)
        if child is None or child.ended or not child.has_ended():
            return
        if child.own:
            # Not reaped yet, so its pid still means its own session and nobody else's.
            _kill_session(child.process)
        _kill_family(self._owner, name)
        child.exit_code = _reap(child.process.pid) if child.own else None
        child.ended = True


def end_owned_processes(owner: str, grace: timedelta, at_once: Callable[[], bool] = lambda: False) -> list[str]:
    """End all processes that carry the mark of `owner`, whatever they are, and return their names.

    Each is asked once nothing above it is left to end it in good order; after `grace`, or when `at_once` says so, the
    rest is killed. Returns when they are gone, or with those that even a kill did not end within some seconds still
    running.
    """
    names: set[str] = set()
    asked: set[tuple[int, float]] = set()
    kill_at = time.monotonic() + grace.total_seconds()
    give_up_at = kill_at + _DYING.total_seconds()
    while processes := marks.find(owner):
        names |= {process.name or _program(process) for process in processes}
        killing = time.monotonic() >= kill_at or at_once()
        for marked in processes if killing else marks.topmost(processes):
            process = marks.still(marked)
            if process is not None and (killing or (marked.pid, marked.created) not in asked):
                _send(process, signal.SIGKILL if killing else signal.SIGTERM)
                asked.add((marked.pid, marked.created))
        if time.monotonic() >= give_up_at:
            break
        time.sleep(_LOOK_AGAIN)
    return sorted(names)


@dataclass
class _Child:
    """A process of the engine: the leader of its session."""

    name: str
    process: psutil.Process
    created: float  # seconds since 1970
    own: bool  # a child of this very process, which must reap it
    ended: bool = False
    exit_code: int | None = None
    stopping_since: float | None = None  # monotonic seconds

    def seen(self) -> Process:
        started_at = datetime.fromtimestamp(self.created, UTC)
        return Process(
            name=self.name,
            pid=self.process.pid,
            started_at=started_at,
            running=not self.ended,
            exit_code=self.exit_code,
        )

    def has_ended(self) -> bool:
        """True if it has just ended; its own children are left unreaped."""
        if not self.own:
            return not _runs(self.process)
        try:
            return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # reaped by other code of this process
            return True


def _spawn(spec: ProcessSpec, owner: str) -> int:
    """Start the process as the leader of a new session and return its pid."""
    environment = {**spec.environment, OWNER: owner, INSTANCE: spec.name}
    try:
        log = os.open(spec.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.fchmod(log, 0o600)
            child = subprocess.Popen(
                spec.argv,
                env=environment,
                cwd=spec.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)
    except (OSError, ValueError) as err:
        raise _cannot_start(spec, err) from err
    with suppress(OSError):  # it has ended already
        Path(f"/proc/{child.pid}/oom_score_adj").write_text(_OOM_SCORE)
    # The process is meant to outlive this object, which would warn of it and reap it behind our back.
    child.returncode = 0
    return child.pid


def _cannot_start(spec: ProcessSpec, err: OSError | ValueError) -> PenstockError:
    if not spec.folder.is_dir():
        return failed(f"process {spec.name!r} cannot start: its folder {str(spec.folder)!r} is not there")
    if isinstance(err, FileNotFoundError) and not spec.log.parent.is_dir():
        return failed(f"process {spec.name!r} cannot start: the folder of its log {str(spec.log)!r} does not exist")
    if isinstance(err, FileNotFoundError):
        return failed(
            f"process {spec.name!r} cannot start: program {spec.argv[0]!r} does not exist; if it was removed by hand, "
            "delete and create what it belongs to again"
        )
    if isinstance(err, OSError) and err.errno in (errno.ENOMEM, errno.EAGAIN):
        return failed(f"process {spec.name!r} cannot start: the host allows no more processes or memory ({err})")
    return failed(f"process {spec.name!r} cannot start: {err}")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _send(process: psutil.Process, number: signal.Signals) -> None:
    """Signal the process, and never another one that was given its pid."""
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        process.send_signal(number)


def _kill_session(leader: psutil.Process) -> None:
    if not leader.is_running():  # reaped: the session's number may belong to others by now
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, signal.SIGKILL)
    for pid in psutil.pids():
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader.pid:
                os.kill(pid, signal.SIGKILL)


def _kill_family(owner: str, name: str) -> None:
    """Kill everything that carries the mark of the instance, and what it forks while this goes on."""
    killed: set[tuple[int, float]] = set()
    while True:
        found = [p for p in marks.find(owner) if p.name == name and (p.pid, p.created) not in killed]
        if not found:
            return
        for marked in found:
            process = marks.still(marked)
            if process is not None:
                _send(process, signal.SIGKILL)
            killed.add((marked.pid, marked.created))


def _reap(pid: int) -> int | None:
    """The exit code of an ended child, negative for a signal; None if other code has reaped it."""
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status)


def _program(marked: marks.Marked) -> str:
    process = marks.still(marked)
    try:
        return process.name() if process is not None else f"process {marked.pid}"
    except psutil.Error:
        return f"process {marked.pid}"
