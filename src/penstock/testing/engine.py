"""An engine without processes, for tests of what stands on engines."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from signal import SIGKILL, SIGTERM

from penstock.domain.errors import failed
from penstock.engines.base import Process, ProcessSpec

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class FakeEngine:
    """Keeps processes as rows; they end when told to, or when a test says so with `die`.

    `now` is the clock. Names in `unstartable` cannot be started; those in `stubborn` ignore the request to end,
    so that only the kill after the grace ends them. `started` lists every spec that made a process.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: _EPOCH) -> None:
        self.unstartable: set[str] = set()
        self.stubborn: set[str] = set()
        self.started: list[ProcessSpec] = []
        self._now = now
        self._pids = itertools.count(1000)
        self._rows: dict[str, _Row] = {}

    def start(self, spec: ProcessSpec) -> Process:
        row = self._rows.get(spec.name)
        if row is not None and row.process.running:
            return row.process
        if spec.name in self.unstartable:
            raise failed(f"process {spec.name!r} cannot start: this test says so")
        process = Process(name=spec.name, pid=next(self._pids), started_at=self._now(), running=True)
        self._rows[spec.name] = _Row(process)
        self.started.append(spec)
        return process

    def inspect(self) -> Sequence[Process]:
        return [row.process for row in self._rows.values()]

    def stop(self, name: str, grace: timedelta) -> None:
        row = self._rows.get(name)
        if row is None or not row.process.running:
            return
        row.stopping_since = row.stopping_since or self._now()
        if name not in self.stubborn:
            self.die(name, -SIGTERM)
        elif self._now() - row.stopping_since >= grace:
            self.die(name, -SIGKILL)

    def forget(self, name: str) -> None:
        if name in self._rows and not self._rows[name].process.running:
            del self._rows[name]

    def die(self, name: str, exit_code: int | None = 1) -> None:
        """End the process, as a crash would."""
        row = self._rows[name]
        row.process = replace(row.process, running=False, exit_code=exit_code)

    def restarted(self) -> "FakeEngine":
        """The engine of the next control plane: it finds what runs and knows nothing of what has ended."""
        engine = FakeEngine(self._now)
        engine.unstartable, engine.stubborn = self.unstartable, self.stubborn
        engine._pids = self._pids
        engine._rows = {name: _Row(row.process) for name, row in self._rows.items() if row.process.running}
        return engine


@dataclass
class _Row:
    process: Process
    stopping_since: datetime | None = None
