"""Takes one task after the other from the job's folder, and tells what came of each."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

from penstock_worker import batch_contract
from penstock_worker.batch.failing import EndedError, failed
from penstock_worker.batch.outbox import Outbox
from penstock_worker.batch_contract import SCORE, Result, Task, result_path
from penstock_worker.logs import log
from penstock_worker.memory import ran_out

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.batch.ending import Ending
    from penstock_worker.batch.runner import Loaded
    from penstock_worker.batch.user_logs import UserLogs

    Do = Callable[[Task, Callable[[], None]], Result]

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05  # seconds between two looks for a task
_PAUSE_SHARE = 0.1  # of the time without a task: so much longer than needed it may become
_SUFFIX = ".json"
_MOST_SHORT = 2


@dataclass(frozen=True)
class Seat:
    """Whose tasks are done. `root` is the folder of the user's code or model."""

    folder: Path
    worker: str
    root: Path
    memory_bytes: int | None = None


class Loop:
    """`do` does a task of any kind with what is `loaded`, and may raise anything. `logs` are told what was not done."""

    def __init__(self, seat: Seat, loaded: Loaded, do: Do, ending: Ending, logs: UserLogs | None = None) -> None:
        self._seat = seat
        self._what = loaded.what
        self._do = do
        self._ending = ending
        self._logs = logs
        self._outbox = Outbox(seat.folder, loaded.parts, self._failed, self._goes_on)
        self._tasks = seat.folder / "tasks" / seat.worker
        self._current = seat.folder / "current" / seat.worker
        self._seen: deque[str] = deque()  # names of files of tasks, the lowest first
        self._odd: set[Path] = set()  # files that are no tasks
        self._short = 0  # tasks in a row that the process had not the memory for

    def run(self, idle_seconds: float = batch_contract.IDLE_SECONDS) -> None:
        """Until there was no task for `idle_seconds`, or the job's folder is gone, or the process is to end, as it also
        is once it has run out of memory twice in a row: in another one there may be room again."""
        try:
            self._run(idle_seconds)
        except FileNotFoundError:
            log.info("the job's folder is gone")

    def run_ahead(self, kind: str) -> None:
        """Do the tasks of this kind that are there now, before any others."""
        with suppress(FileNotFoundError):
            path = self._next()
            while path is not None and getattr(batch_contract.read(path, Task), "kind", "") == kind:
                self._take(path)
                path = self._next()
            self._outbox.send()

    def _run(self, idle_seconds: float) -> None:
        idle_since = time.monotonic()
        while not self._ending.asked and self._short < _MOST_SHORT:
            path = self._next()
            if path is not None:
                self._take(path)
                idle_since = time.monotonic()
                continue
            self._outbox.send()
            idle = time.monotonic() - idle_since
            if idle >= idle_seconds:
                log.info("there was no task for %g s", idle_seconds)
                return
            time.sleep(min(max(_SHORTEST_PAUSE, _PAUSE_SHARE * idle), _LONGEST_PAUSE))
        self._outbox.send()

    def _next(self) -> Path | None:
        if not self._seen:
            with os.scandir(self._tasks) as entries:
                names = [entry.name for entry in entries if entry.name.endswith(_SUFFIX) and entry.name[0] != "."]
            self._seen.extend(sorted(names))
        while self._seen:
            path = self._tasks / self._seen.popleft()
            if path not in self._odd and not self._outbox.holds(path):
                return path
        return None

    def _take(self, path: Path) -> None:
        task = batch_contract.read(path, Task)
        if task is None:
            if path.exists():
                log.error("%s is no task that this worker understands", path)
                self._odd.add(path)
            return
        told = result_path(self._seat.folder, task.id, task.attempt)
        # An earlier process may have been killed before it could delete the task.
        if told.exists() and batch_contract.read(told, Result) is not None:
            path.unlink(missing_ok=True)
            return
        self._begin(task)
        result = self._result_of(task)
        if result is not None:
            self._outbox.put(path, task, replace(result, worker=self._seat.worker))

    def _result_of(self, task: Task) -> Result | None:
        """None: the process was told to end before there was one."""
        try:
            with self._ending.interrupting():
                result = self._do(task, self._beat)
        except EndedError:
            return None
        except BaseException as error:  # noqa: BLE001 - what the user's code raises, sys.exit() too, ends its task alone
            return self._failed(task, error)
        self._short = 0
        return result

    def _failed(self, task: Task, error: BaseException) -> Result:
        seat = self._seat
        if seat.memory_bytes is not None and ran_out(error):
            self._short += 1
        what = f"{self._what} raised" if task.kind == SCORE else f"{task.kind} raised"
        result = failed(task, what, error, seat.root, seat.memory_bytes)
        log.warning("%s %s: %s: %s", task.kind, task.id, result.reason, result.message)
        if self._logs is not None:
            self._logs.not_done(task, result)
        return replace(result, worker=seat.worker)

    def _goes_on(self) -> bool:
        self._beat()
        return not self._ending.asked

    def _begin(self, task: Task) -> None:
        """Tell which task runs, so that the right one is blamed if the process dies of it."""
        with suppress(OSError):
            descriptor = os.open(self._current, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(descriptor, task.id.encode())
            finally:
                os.close(descriptor)

    def _beat(self) -> None:
        """Tell that something goes on."""
        with suppress(OSError):
            os.utime(self._current)
