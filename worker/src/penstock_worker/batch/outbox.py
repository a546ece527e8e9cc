"""Results that wait to be told until what they tell of is on disk."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Callable

from penstock_worker import batch_contract, memory
from penstock_worker.batch.failing import TaskFailedError, not_stored
from penstock_worker.batch_contract import result_path
from penstock_worker.logs import log

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.batch_contract import Result, Task

_MOST = 64
_LONGEST_SECONDS = 0.05  # that results wait for others; so much work is done anew if the process is killed
_SHORTEST_WAIT, _LONGEST_WAIT = 0.1, 5.0  # seconds between two tries to write a result


class Outbox:
    """`flush` brings to disk what results tell of; `failed` makes a result of what that raises.

    `goes_on` is asked while the disk has no room for results: False ends the waiting.
    """

    def __init__(
        self,
        folder: Path,
        flush: Callable[[], None],
        failed: Callable[[Task, TaskFailedError], Result],
        goes_on: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._flush = flush
        self._failed = failed
        self._goes_on = goes_on
        self._waiting: dict[Path, tuple[Task, Result]] = {}
        self._due_at = 0.0

    def holds(self, path: Path) -> bool:
        """True if the task at `path` has been done, and waits to be told."""
        return path in self._waiting

    def put(self, path: Path, task: Task, result: Result) -> None:
        """Tell what came of the task at `path`, now or when others come. Raises FileNotFoundError: see `send`."""
        if not self._waiting:
            self._due_at = time.monotonic() + _LONGEST_SECONDS - sum(result.seconds.values())
        self._waiting[path] = (task, result)
        if len(self._waiting) >= _MOST or time.monotonic() >= self._due_at:
            self.send()

    def send(self) -> None:
        """Tell all that waits, and delete the tasks. Raises FileNotFoundError if the job's folder is gone."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        error = self._error_of_flush()
        peak = memory.resident()[1]
        for path, (task, result) in waiting.items():
            told = result if error is None or result.reason else self._failed(task, error)
            if not self._write(replace(told, memory_bytes=peak)):
                return
            path.unlink(missing_ok=True)

    def _error_of_flush(self) -> TaskFailedError | None:
        try:
            self._flush()
        except OSError as error:
            return not_stored(error)
        return None

    def _write(self, result: Result) -> bool:
        path = result_path(self._folder, result.id, result.attempt)
        wait = _SHORTEST_WAIT
        while True:
            try:
                # Whoever reads it writes it to the ledger: if a loss of power takes it, the mini-batch is scored anew.
                batch_contract.write(path, result, safe=False)
                return True
            except FileNotFoundError:
                raise
            except OSError as error:
                log.warning("the result %s cannot be written yet: %s", path.name, error)
            if not self._goes_on():
                return False
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)
