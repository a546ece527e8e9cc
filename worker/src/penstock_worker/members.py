"""`WORKER_COUNT`: several processes serve as one instance, under a parent that holds their socket.

1. The parent binds the socket and starts the members, who load and say so.
2. When all are ready it lets them go: they accept from the socket, which they have inherited, and it is published.
3. A member that ends is replaced, after a longer pause each time, and the others serve on. If no other one serves, the
   parent ends as the member did: whoever started it decides what comes next.
4. SIGTERM is passed on: each member answers what it has received.

Members end when the parent does, as the pipe that it holds is closed then.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, NoReturn

from penstock_worker import contract
from penstock_worker.failure import LoadError
from penstock_worker.listener import Listener
from penstock_worker.logs import log

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.progress import Progress

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds before a member is replaced
_LONG_LIFE = 60.0  # seconds after which the end of a member is no sign that the next one ends soon
_LOOK_SECONDS = 0.1
_WORD = b"1"  # a member's: loaded; the parent's: go


class Member:
    """The side of the `number`-th. `report` is the path that its own report goes to, for the parent to read."""

    def __init__(self, number: int, listener: Listener, report: Path | None, lines: tuple[socket.socket, int]) -> None:
        self.number = number
        self.report = report
        self._listener = listener
        parent, life = lines
        self._parent = parent
        self._life = life

    def join(self) -> Listener:
        """Say that the model is loaded, and wait until the others are ready too."""
        self._parent.sendall(_WORD)
        select.select([self._parent, self._life], [], [])
        threading.Thread(target=self._watch, name="penstock-members", daemon=True).start()
        return self._listener

    def _watch(self) -> None:
        os.read(self._life, 1)
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass
class _Place:
    """One of the members: its process and the line to it, whether it serves, and when the next one may start."""

    number: int
    report: Path | None
    pid: int = 0
    line: socket.socket | None = None
    ready: bool = False
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    due: float = 0.0


class Members:
    """The parent's side. `serve` is what a member does; it returns the exit code."""

    def __init__(self, size: int, listener: Listener, progress: Progress, serve: Callable[[Member], int]) -> None:
        self._places = [_Place(number, progress.path_of(number)) for number in range(size)]
        self._listener = listener
        self._progress = progress
        self._serve = serve
        self._stopping = False
        self._serving = False
        self._life, self._held = os.pipe()

    def run(self) -> int:
        """Until SIGTERM, or until no member serves. Returns the exit code."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        while not self._stopping or any(place.pid for place in self._places):
            now = time.monotonic()
            for place in self._places:
                if not place.pid and not self._stopping and now >= place.due:
                    self._start(place, now)
            self._listen()
            self._bury()
        return contract.EXIT_OK

    def _start(self, place: _Place, now: float) -> None:
        ours, theirs = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        pid = os.fork()
        if pid == 0:
            self._become(place, ours, theirs)
        theirs.close()
        place.pid, place.line, place.ready, place.started = pid, ours, False, now
        if self._stopping:  # the signal came while this was going on
            os.kill(pid, signal.SIGTERM)

    def _become(self, place: _Place, ours: socket.socket, theirs: socket.socket) -> NoReturn:
        """In the new process: serve, and end."""
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.close(self._held)
            for line in (ours, *(other.line for other in self._places)):
                if line is not None:
                    line.close()
            shared = self._listener.of_member(place.number)
            code = self._serve(Member(place.number, shared, place.report, (theirs, self._life)))
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

    def _listen(self) -> None:
        """Hear who has loaded; when all have, let them go."""
        waiting = {place.line: place for place in self._places if place.line is not None and not place.ready}
        heard, _, _ = select.select(list(waiting), [], [], _LOOK_SECONDS)
        for line in heard:
            place = waiting[line]
            if line.recv(1):
                place.ready = True
                if self._serving:
                    line.sendall(_WORD)
                    _take_report(place)
            else:
                place.line = None  # it is ending; _bury() sees it
        if not self._serving and all(place.ready for place in self._places):
            self._go()

    def _go(self) -> None:
        self._serving = True
        for place in self._places:
            if place.line is not None:
                place.line.sendall(_WORD)
        self._listener.publish()
        reports = [_take_report(place) for place in self._places]
        self._progress.ready_with([report for report in reports if report is not None and report.load_seconds])

    def _bury(self) -> None:
        for place in self._places:
            if not place.pid or os.waitid(os.P_PID, place.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            _, status = os.waitpid(place.pid, 0)
            if place.line is not None:
                place.line.close()
            lived = time.monotonic() - place.started
            ended, place.pid, place.line, place.ready = place.pid, 0, None, False
            if self._stopping:
                continue
            if not self._serving or not any(other.ready for other in self._places):
                self._end_as(place, status)
            place.pause = _FIRST_PAUSE if lived >= _LONG_LIFE else min(place.pause * 2, _LONGEST_PAUSE)
            place.due = time.monotonic() + place.pause
            log.error("process %d has ended (%s); another one starts in %.0f s", ended, _end(status), place.pause)

    def _end_as(self, place: _Place, status: int) -> NoReturn:
        """End for the reason for which a member did, and the others with it."""
        self._listener.unlink()
        for other in self._places:
            if other.pid:
                with suppress(ProcessLookupError):
                    os.kill(other.pid, signal.SIGKILL)
        report = _take_report(place)
        if report is not None and report.phase == contract.FAILED:
            self._progress.fail(LoadError(report.reason, report.message, report.traceback))
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            with suppress(OSError):  # of SIGKILL, which has no other effect
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        os._exit(os.WEXITSTATUS(status) or 1)

    def _stop(self, _signal: int, _frame: object) -> None:
        # A second signal ends this process at once, and the members with it.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._stopping = True
        self._listener.unlink()
        for place in self._places:
            if place.pid:
                with suppress(ProcessLookupError):
                    os.kill(place.pid, signal.SIGTERM)


def _take_report(place: _Place) -> contract.Report | None:
    """The report of a member, which is not needed any more once it has been read."""
    if place.report is None:
        return None
    report = contract.read_report(place.report)
    place.report.unlink(missing_ok=True)
    return report


def _end(status: int) -> str:
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
