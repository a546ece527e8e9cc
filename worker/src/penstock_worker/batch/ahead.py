"""What a worker does before its model is loaded: cutting needs none, and all workers wait for what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from penstock_worker.batch.failing import TaskFailedError
from penstock_worker.batch.loop import Loop, Seat
from penstock_worker.batch.part_files import PartFiles
from penstock_worker.batch.runner import Loaded
from penstock_worker.batch.tasks import Tasks
from penstock_worker.batch_contract import CUT, RUN_FAILED

if TYPE_CHECKING:
    from penstock_worker.batch.ending import Ending
    from penstock_worker.batch_contract import Order, Result, Task


def cut_ahead(seat: Seat, order: Order, ending: Ending) -> None:
    """Do the cutting that the worker was given before it began."""
    loaded = Loaded(_NotLoaded(), "the worker", PartFiles(seat.folder))
    Loop(seat, loaded, Tasks(loaded.runner, order, seat.folder).do, ending).run_ahead(CUT)


class _NotLoaded:
    def score(self, task: Task, beat: Callable[[], None]) -> Result:
        raise TaskFailedError(RUN_FAILED, f"{task.id}: nothing is loaded yet")
