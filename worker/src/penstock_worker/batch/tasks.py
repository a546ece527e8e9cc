"""What is done for a task of each kind."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from penstock_worker.batch.failing import TaskFailedError, is_full
from penstock_worker.batch_contract import CUT, FINISH, INPUT_UNREADABLE, RUN_FAILED, SCORE, Result
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.batch.runner import Runner
    from penstock_worker.batch_contract import Order, Segment, Task

    Beat = Callable[[], None]


class Tasks:
    def __init__(self, runner: Runner, order: Order, folder: Path) -> None:
        self._runner = runner
        self._folder = folder
        self._order = order

    def do(self, task: Task, beat: Beat) -> Result:
        """Raises `TaskFailedError`, or anything that the user's code raises."""
        if task.kind == SCORE:
            return self._runner.score(task, beat)
        if task.kind == CUT:
            return self._cut(task, beat)
        if task.kind == FINISH:
            from penstock_worker.batch.finishing import finish

            return finish(self._folder, task, self._order, beat)
        raise TaskFailedError(RUN_FAILED, f"workers know no tasks of kind {task.kind!r}")

    def _cut(self, task: Task, beat: Beat) -> Result:
        from penstock_worker.batch.cutting import cut

        began = time.monotonic()
        segments: list[Segment] = []
        for stretch in task.segments:
            beat()
            try:
                segments += cut(stretch, self._order)
            except TaskFailedError:
                raise
            except Exception as error:
                if is_full(error) or isinstance(error, MemoryError):
                    raise
                message = f"{stretch.file.name} cannot be read: {summary(error)}"
                raise TaskFailedError(INPUT_UNREADABLE, message) from error
        seconds = {"read": time.monotonic() - began}
        return Result(task.id, task.attempt, "", segments=tuple(segments), seconds=seconds)
