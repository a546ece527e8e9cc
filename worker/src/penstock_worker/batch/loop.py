"""Takes one task after the other from the job's folder, and tells what came of each."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable

from penstock_worker import batch_contract, memory
from penstock_worker.batch.failing import EndedError, failed
from penstock_worker.batch_contract import SCORE, Result, Task, result_path
from penstock_worker.logs import log

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.batch.ending import Ending
    from penstock_worker.batch.user_logs import UserLogs

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05  # seconds between two looks for a task
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 5.0  # seconds between two tries to write a result
_SUFFIX = ".json"


@dataclass(frozen=True)
class Seat:
    """Whose tasks are done. `what` names what scores (`run() in score.py`), `root` is the folder of its code."""

    folder: Path
    worker: str
    what: str
    root: Path
    memory_bytes: int | None = None


class Loop:
    """`do` does a task of any kind, and may raise anything. `logs` are told of what was not done."""

    def __init__(
        self, seat: Seat, do: Callable[[Task, Callable[[], None]], Result], ending: Ending, logs: UserLogs | None = None
    ) -> None:
        self._seat = seat
        self._do = do
        self._ending = ending
        self._logs = logs
        self._tasks = seat.folder / "tasks" / seat.worker
        self._current = seat.folder / "current" / seat.worker
        self._odd: set[str] = set()  # files that are no tasks

    def run(self, idle_seconds: float = batch_contract.IDLE_SECONDS) -> None:
        """Until there was no task for `idle_seconds`, or the job's folder is gone, or the process is to end."""
        pause = _SHORTEST_PAUSE
        idle_at = time.monotonic() + idle_seconds
        while not self._ending.asked:
            try:
                name = self._next()
                if name is not None:
                    self._take(name)
            except FileNotFoundError:
                log.info("the job's folder is gone")
                return
            if name is not None:
                pause = _SHORTEST_PAUSE
                idle_at = time.monotonic() + idle_seconds
            elif time.monotonic() >= idle_at:
                log.info("there was no task for %g s", idle_seconds)
                return
            else:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _next(self) -> str | None:
        with os.scandir(self._tasks) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(_SUFFIX) and entry.name[0] != "."]
        return min((name for name in names if name not in self._odd), default=None)

    def _take(self, name: str) -> None:
        path = self._tasks / name
        task = batch_contract.read(path, Task)
        if task is None:
            if path.exists():
                log.error("%s is no task that this worker understands", path)
                self._odd.add(name)
            return
        told = result_path(self._seat.folder, task.id, task.attempt)
        # It is there if an earlier process was killed before it could delete the task.
        if not told.exists():
            self._beat()
            result = self._result_of(task)
            if result is None or not self._tell(told, result):
                return
        path.unlink(missing_ok=True)

    def _result_of(self, task: Task) -> Result | None:
        """None: the process was told to end before there was one."""
        seat = self._seat
        try:
            with self._ending.interrupting():
                result = self._do(task, self._beat)
        except EndedError:
            return None
        except BaseException as error:  # noqa: BLE001 - whatever the user's code raises, sys.exit() too, ends its task alone
            what = f"{seat.what} raised" if task.kind == SCORE else f"{task.kind} raised"
            result = failed(task, what, error, seat.root, seat.memory_bytes)
        if result.reason:
            log.warning("%s %s: %s: %s", task.kind, task.id, result.reason, result.message)
            if self._logs is not None:
                self._logs.not_done(task, result)
        return replace(result, worker=seat.worker, memory_bytes=memory.resident()[1])

    def _tell(self, path: Path, result: Result) -> bool:
        """Write the result, as soon as that can be done. False: the process is to end before that."""
        wait = _SHORTEST_WAIT
        while True:
            try:
                batch_contract.write(path, result)
                return True
            except FileNotFoundError:
                raise
            except OSError as error:
                log.warning("the result %s cannot be written yet: %s", path.name, error)
            if self._ending.asked:
                return False
            time.sleep(wait)
            self._beat()
            wait = min(2 * wait, _LONGEST_WAIT)

    def _beat(self) -> None:
        """Tell that something goes on: touch the file in `current/`."""
        try:
            os.utime(self._current)
        except OSError:
            with suppress(OSError):
                self._current.touch(mode=0o600)
