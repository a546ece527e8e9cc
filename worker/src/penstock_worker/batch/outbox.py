"""Results that wait to be told until what they tell of is on disk, which a thread sees to while work goes on."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

from penstock_worker import batch_contract, memory
from penstock_worker.batch.failing import TaskFailedError, not_stored
from penstock_worker.batch_contract import result_path
from penstock_worker.logs import log

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from penstock_worker.batch.part_files import PartFiles, Unsafe
    from penstock_worker.batch_contract import Result, Task

    Done = tuple[Task, Result]

_MOST = 64  # results, and open files, that wait
_LONGEST_SECONDS = 0.05  # that results wait for others; so much work is done anew if the process is killed
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 5.0  # seconds between two tries to write a result
_PATIENCE = 0.05  # seconds between two signs of life of who waits for the thread


class Outbox:
    """All but the thread's own methods are for one thread, which does the tasks.

    `parts` knows what results tell of; `failed` makes a result of what comes of bringing that to disk. `goes_on` is
    asked by who waits: False ends the waiting for a disk that has no room for results.
    """

    def __init__(
        self,
        folder: Path,
        parts: PartFiles,
        failed: Callable[[Task, TaskFailedError], Result],
        goes_on: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._parts = parts
        self._failed = failed
        self._goes_on = goes_on
        self._changed = threading.Condition()  # holds for all below
        self._waiting: dict[Path, Done] = {}
        self._files: list[Unsafe] = []  # that those which wait tell of
        self._telling: Mapping[Path, Done] = {}
        self._due_at = 0.0
        self._hurried = self._given_up = False  # who waits does not go on; nor does the thread
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="penstock-outbox", daemon=True).start()

    def holds(self, path: Path) -> bool:
        """True if the task at `path` has been done, and its result is not told yet."""
        with self._changed:
            return path in self._waiting or path in self._telling

    def put(self, path: Path, task: Task, result: Result) -> None:
        """Have told what came of the task at `path`, now or when others come. Returns before that, unless too much
        waits. Raises what `send` raises."""
        files = self._parts.taken()
        with self._changed:
            if not self._waiting:
                self._due_at = time.monotonic() + _LONGEST_SECONDS - sum(result.seconds.values())
            self._waiting[path] = (task, result)
            self._files += files
            if self._full:
                self._due_at = 0.0
            self._changed.notify_all()
        self._await(lambda: not self._full)

    def send(self) -> None:
        """Return when all is told and the tasks are deleted. Raises FileNotFoundError if the job's folder is gone."""
        with self._changed:
            self._due_at = 0.0
            self._changed.notify_all()
        self._await(lambda: not self._waiting and not self._telling)

    @property
    def _full(self) -> bool:
        return len(self._waiting) >= _MOST or len(self._files) >= _MOST

    def _await(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            while not condition() and not self._given_up:
                if self._error is not None:
                    raise self._error
                self._changed.wait(_PATIENCE)
                self._hurried = not self._goes_on()

    def _run(self) -> None:
        try:
            while not self._given_up:
                self._tell(*self._next())
        except BaseException as error:  # noqa: BLE001 - the top of a thread: who does the tasks raises it
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next(self) -> tuple[Mapping[Path, Done], Sequence[Unsafe]]:
        with self._changed:
            self._telling = {}
            self._changed.notify_all()
            while not self._waiting or time.monotonic() < self._due_at:
                self._changed.wait(self._due_at - time.monotonic() if self._waiting else None)
            self._telling, self._waiting = self._waiting, {}
            files, self._files = self._files, []
            self._changed.notify_all()
            return self._telling, files

    def _tell(self, done: Mapping[Path, Done], files: Sequence[Unsafe]) -> None:
        error = self._error_of_flush(files)
        for path, (task, result) in done.items():
            told = result if error is None or result.reason else self._failed(task, error)
            if not self._write(told):
                return
            path.unlink(missing_ok=True)

    def _error_of_flush(self, files: Sequence[Unsafe]) -> TaskFailedError | None:
        try:
            self._parts.flush(files)
        except OSError as error:
            return not_stored(error)
        return None

    def _write(self, result: Result) -> bool:
        path = result_path(self._folder, result.id, result.attempt)
        wait = _SHORTEST_WAIT
        while True:
            try:
                # Whoever reads it writes it to the ledger: if a loss of power takes it, the mini-batch is scored anew.
                told = replace(result, memory_bytes=memory.resident()[1])
                batch_contract.write(path, told, safe=False)
                return True
            except FileNotFoundError:
                raise
            except (OSError, MemoryError) as error:  # memory: what the user's code takes it may give back
                log.warning("the result %s cannot be written yet: %s", path.name, error)
            with self._changed:
                if self._hurried:
                    self._given_up = True
                    self._changed.notify_all()
                    return False
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
