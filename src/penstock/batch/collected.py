"""What has come of the tasks of a job since somebody looked last."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock.store.ledger import MiniBatch, Outcome
from penstock_worker.batch_contract import Result, Task


@dataclass
class Collected:
    """What a look has brought. `stop` is why the job cannot go on, `waiting` what it waits for; `untold` is what
    workers have died of, who could not tell it."""

    outcomes: list[Outcome] = field(default_factory=list["Outcome"])
    errors: list[Result] = field(default_factory=list["Result"])
    untold: list[tuple[str, Task, str]] = field(default_factory=list[tuple[str, Task, str]])  # worker, task, why
    finished: list[Result] = field(default_factory=list["Result"])  # of tasks that are no mini-batches
    cut: dict[int, Sequence[MiniBatch]] = field(default_factory=dict[int, Sequence[MiniBatch]])  # by file
    aside: list[int] = field(default_factory=list[int])  # files that could not be cut
    stop: str = ""
    waiting: str = ""
