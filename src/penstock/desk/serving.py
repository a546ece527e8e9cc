"""Serving from a terminal: processes are started, replaced when the code changes, and ended with this one."""

import itertools
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.desk.crew import Crew, Member, Phase
from penstock.desk.watch import State, state_of
from penstock.domain.errors import failed, unavailable

_LOOK = 0.1  # seconds
_WATCH_EVERY = 3  # looks
_LONGEST_PAUSE = 30.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Service:
    """What is served, by how many processes. `watched`: the folder whose changes replace them, if any does.

    With `alone` the processes cannot be there twice (a debugger listens), so that old ones end before new ones start.
    """

    member: Callable[[int], Member]  # of the descriptor of the listening socket
    count: int
    watched: Path | None
    alone: bool
    greeting: str


def serve(service: Service, bound: socket.socket, say: Say) -> None:
    """Serve on `bound` until SIGINT or SIGTERM. Raises `failed` if what is served does not load the first time."""
    bound.set_inheritable(True)
    with tempfile.TemporaryDirectory(prefix="penstock-serve-") as folder, _stopping() as stopping:
        reports = (Path(folder) / str(number) for number in itertools.count())
        desk = _Desk(service, service.member(bound.fileno()), reports, say)
        try:
            desk.open(stopping)
            while not stopping():
                desk.look()
                time.sleep(_LOOK)
        finally:
            desk.close()


def bind(host: str, port: int) -> socket.socket:
    """A socket of that address that does not listen yet: callers are refused until somebody serves."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        bound.bind((host, port))
    except OSError as err:
        bound.close()
        raise unavailable(f"cannot listen on {host}:{port}: {err.strerror}; choose another with --port") from err
    return bound


class _Desk:
    """`_serving` answers callers; `_next`, where the code has changed, is to take its place."""

    def __init__(self, service: Service, member: Member, reports: Iterator[Path], say: Say) -> None:
        self._service = service
        self._member = member
        self._reports = reports
        self._say = say
        self._serving: Crew | None = None
        self._next: Crew | None = None
        self._seen: State = frozenset()
        self._looks = 0
        self._pause = 0.0
        self._start_at = 0.0

    def open(self, stopping: Callable[[], bool]) -> None:
        """Return when the first processes serve, or `stopping` says so."""
        self._seen = self._state()
        self._next = self._crew()
        while not stopping() and self._next.phase is Phase.STARTING:
            time.sleep(_LOOK)
        if stopping():
            return
        if self._next.phase is Phase.FAILED:
            raise failed("it cannot be served; what is wrong stands above")
        self._take_over(self._next)
        self._say(self._service.greeting)

    def look(self) -> None:
        """One step: start new processes if the code has changed, and let them serve once they are ready."""
        self._looks += 1
        if self._service.watched is not None and self._looks % _WATCH_EVERY == 0:
            self._watch()
        if self._next is not None:
            self._judge(self._next)
        elif self._serving is not None and self._serving.phase is Phase.FAILED:
            self._mourn(self._serving)
        elif self._serving is None and self._start_at and time.monotonic() >= self._start_at:
            self._start_at = 0.0
            self._next = self._crew()

    def close(self) -> None:
        for crew in (self._next, self._serving):
            if crew is not None:
                crew.end()

    def _watch(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        self._say("the code has changed: it is loaded anew")
        self._pause = self._start_at = 0.0
        if self._next is not None:
            self._next.end()
        if self._service.alone and self._serving is not None:
            self._serving.end()
            self._serving = None
        self._next = self._crew()

    def _judge(self, crew: Crew) -> None:
        phase = crew.phase
        if phase is Phase.STARTING:
            return
        if phase is Phase.READY:
            self._take_over(crew)
            self._say("what was loaded anew serves")
            return
        crew.end()
        self._next = None
        goes_on = "what served before goes on" if self._serving is not None else "nothing serves"
        if self._service.watched is None:
            self._start_later()
        else:
            self._say(f"it cannot be loaded: {goes_on} until you change the code again")

    def _take_over(self, crew: Crew) -> None:
        before, self._serving, self._next = self._serving, crew, None
        for notice in crew.notices:
            self._say(f"notice: {notice}")
        if before is not None:
            before.end()

    def _mourn(self, crew: Crew) -> None:
        crew.end()
        self._serving = None
        self._start_later()

    def _start_later(self) -> None:
        self._say(f"a process has ended by itself; it is started again in {self._pause:g} s")
        self._start_at = time.monotonic() + self._pause
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause or 1.0)

    def _crew(self) -> Crew:
        return Crew(self._member, self._service.count, next(self._reports))

    def _state(self) -> State:
        return frozenset() if self._service.watched is None else state_of(self._service.watched)


@contextmanager
def _stopping() -> Generator[Callable[[], bool]]:
    """Whether this process was asked to end, by Ctrl-C, SIGTERM or the end of its terminal."""
    asked: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _frame: asked.append(number)) for number in numbers}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
