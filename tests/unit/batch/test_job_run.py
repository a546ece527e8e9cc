"""Mini-batches on their way: whoever is killed whenever, each comes out once, and what was done is not done again."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from penstock.batch.job_queue import Rules, mini_batch_id
from penstock.batch.job_run import JobRun
from penstock.batch.outcomes import parts_of_mini_batch
from penstock.batch.planning import by_count
from penstock.batch.work_folder import WorkFolder
from penstock.store.ledger import LedgerFile, MiniBatchState
from penstock.testing.ledger import MemoryLedger
from penstock_worker import batch_contract
from penstock_worker.batch_contract import NO_SPACE, RUN_FAILED, Order, Part, Result, Task

JOB = "job"
ORDER = Order(
    job=JOB,
    output_action="append_row",
    output_format="azure",
    output_mode="one_file",
    output_file_name="predictions.csv",
    output_folder="/out",
)
WORKERS = ("w0", "w1", "w2")
workers = st.sampled_from(WORKERS)


class Coordination(RuleBasedStateMachine):
    """A coordinator that is killed and starts anew, and workers that are killed between any two of their steps."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(tempfile.mkdtemp())
        self.ledger = MemoryLedger()
        self.folder = WorkFolder(self.path / "work")
        self.folder.make(ORDER)
        self.scored: Counter[str] = Counter()
        self.committed: dict[str, str] = {}

    @initialize(count=st.integers(1, 7), retries=st.integers(0, 2))
    def begin(self, count: int, retries: int) -> None:
        files = [LedgerFile(number=n, uri=f"/d/{n}", name=str(n), size=1, version="1") for n in range(count)]
        self.ledger.open(JOB, files)
        self.ledger.cut(JOB, range(count), by_count(files, {n: f"/d/{n}" for n in range(count)}, 2))
        self.job_rules = Rules(attempt=1, max_retries=retries, dry_run=False)
        self.start_coordinator()
        for worker in WORKERS:
            self.folder.seat(worker)

    @rule()
    def start_coordinator(self) -> None:
        """Also after a kill: nothing but ledger and folder is known."""
        self.run = JobRun(JOB, self.job_rules, ORDER, self.ledger, self.folder)

    @rule(living=st.sets(workers, min_size=1))
    def step(self, living: set[str]) -> None:
        """As a job does it: first it looks what has come."""
        self.run.collect()
        self.run.hand_out(living)

    @rule()
    def collect(self) -> None:
        self.run.collect()

    @rule(worker=workers, reason=st.sampled_from(["", "", "", RUN_FAILED, NO_SPACE]), dies=st.booleans())
    def score(self, worker: str, reason: str, dies: bool) -> None:
        """A worker does its next task, and may die before it has deleted it."""
        task = self.begin_task(worker)
        if task is None:
            return
        state = self.state_of(task.id)
        assert state is not MiniBatchState.DONE or self.folder.has_result(task.id, task.attempt), "scored in vain"
        self.scored[task.id] += not reason
        name = batch_contract.part_name(task, -1, ".csv")
        parts = () if reason else (Part(name=name, kind="rows", rows=1, bytes=1),)
        if not reason:
            (self.folder.path / "parts" / name).write_text(task.id)
        result = Result(id=task.id, attempt=task.attempt, worker=worker, reason=reason, parts=parts, rows_in=1)
        batch_contract.write(batch_contract.result_path(self.folder.path, task.id, task.attempt), result, safe=False)
        if dies:
            self.bury(worker)
        else:
            self.folder.withdraw(worker, task.id)

    @rule(worker=workers)
    def die(self, worker: str) -> None:
        """A worker is killed in the middle of a task."""
        self.begin_task(worker)
        self.bury(worker)

    @invariant()
    def what_is_done_stays_as_it_is(self) -> None:
        for mini_batch in self.ledger.mini_batches(JOB, state=MiniBatchState.DONE):
            [part] = parts_of_mini_batch(mini_batch)
            assert (self.folder.path / "parts" / part.name).exists()
            assert self.committed.setdefault(str(mini_batch.id), part.name) == part.name

    def teardown(self) -> None:
        """In the end all are settled, with workers that live and do not fail."""
        if hasattr(self, "run"):
            for _ in range(100):
                self.run.collect()
                if self.run.drained:
                    self.run.look_again()
                    if self.run.drained:
                        break
                self.run.hand_out(WORKERS)
                for worker in WORKERS:
                    while self.folder.tasks(worker):
                        self.score(worker, "", False)
            states = {b.state for b in self.ledger.mini_batches(JOB)}
            assert MiniBatchState.TODO not in states
        shutil.rmtree(self.path)

    def begin_task(self, worker: str) -> Task | None:
        """What the worker does next; it says so first."""
        tasks = self.folder.tasks(worker)
        task = self.folder.task(worker, tasks[0]) if tasks else None
        if task is None:
            return None
        (self.folder.path / "current" / worker).write_text(task.id)
        if self.folder.has_result(task.id, task.attempt):
            self.folder.withdraw(worker, task.id)
            return self.begin_task(worker)
        return task

    def bury(self, worker: str) -> None:
        self.run.bury(worker, "its worker was killed", by_itself=False)
        self.folder.seat(worker)

    def state_of(self, task: str) -> MiniBatchState:
        return next(b.state for b in self.ledger.mini_batches(JOB) if b.id == mini_batch_id(task))


TestCoordination = Coordination.TestCase
TestCoordination.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
