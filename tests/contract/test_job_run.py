"""A coordinator that starts anew finds in ledger and work folder how far its job was."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest

from penstock.batch.cuts import numbers_of
from penstock.batch.job_queue import Rules, mini_batch_id
from penstock.batch.job_run import JobRun
from penstock.batch.planning import by_count
from penstock.batch.work_folder import WorkFolder
from penstock.store.ledger import FileState, LedgerFile, MiniBatchState
from penstock.testing.ledger import MemoryLedger
from penstock_worker.batch_contract import INPUT_UNREADABLE, RUN_FAILED, File, Order, Result, result_path

JOB = "score"
RULES = Rules(attempt=1, max_retries=3, dry_run=False)


class World:
    """A job of six mini-batches, and one worker. A run begins where the last one was killed."""

    def __init__(self, path: Path) -> None:
        self.folder = WorkFolder(path)
        self.order = Order(JOB, "append_row", "azure", "one_file", "predictions.csv", str(path / "out"))
        self.ledger = MemoryLedger()
        files = [LedgerFile(number=n, uri=f"/d/{n}", name=f"{n}", size=1, version="1") for n in range(6)]
        self.ledger.open(JOB, files)
        self.ledger.cut(JOB, range(6), by_count(files, {n: f"/d/{n}" for n in range(6)}, 1))
        self.folder.make(self.order)
        self.folder.seat("w0")

    def begin(self) -> JobRun:
        return JobRun(JOB, RULES, self.order, self.ledger, self.folder)

    def answer(self, task: str, *, and_delete: bool = True, reason: str = "") -> None:
        """As the worker does, which may be killed before it deletes the task."""
        given = self.folder.task("w0", task)
        assert given is not None
        result = Result(task, given.attempt, "w0", rows_in=1, rows_out=1, seconds={"predict": 0.5}, reason=reason)
        result_path(self.folder.path, task, given.attempt).write_text(json.dumps(asdict(result)))
        if and_delete:
            self.folder.withdraw("w0", task)

    def start(self, task: str) -> None:
        """As the worker says it."""
        (self.folder.path / "current" / "w0").write_text(task)

    def states(self) -> set[MiniBatchState]:
        return {each.state for each in self.ledger.mini_batches(JOB)}

    def done(self) -> set[int]:
        return {each.id.file for each in self.ledger.mini_batches(JOB, state=MiniBatchState.DONE)}

    def given(self) -> set[int]:
        return {mini_batch_id(task).file for task in self.folder.tasks("w0")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_workers_did_while_nobody_looked_is_not_done_again(world: World) -> None:
    world.begin().hand_out(["w0"])
    before = world.given()
    assert before
    for task in world.folder.tasks("w0"):
        world.answer(task)
    run = world.begin()
    assert not run.drained
    run.collect()
    run.hand_out(["w0"])
    assert world.done() == before
    assert not world.given() & before


def test_a_task_that_was_answered_but_not_deleted_is_not_done_again(world: World) -> None:
    world.begin().hand_out(["w0"])
    first, *_ = world.folder.tasks("w0")
    world.answer(first, and_delete=False)
    run = world.begin()
    run.bury("w0", "its worker was killed", by_itself=False)  # before anybody has looked for results
    run.collect()
    run.hand_out(["w0"])
    assert world.done() == {mini_batch_id(first).file}
    assert mini_batch_id(first).file not in world.given()


def test_a_mini_batch_is_not_given_again_before_its_worker_has_deleted_the_task(world: World) -> None:
    """Who deletes it would delete the new one."""
    run = world.begin()
    run.hand_out(["w0"])
    first, *_ = world.folder.tasks("w0")
    world.answer(first, and_delete=False, reason="RunFailed")
    assert run.collect().errors == []
    world.folder.withdraw("w0", first)
    [error] = run.collect().errors
    assert error.id == first
    run.hand_out(["w0"])
    assert mini_batch_id(first).file in world.given()


def test_a_result_that_outlives_its_commit_changes_nothing(world: World) -> None:
    """As after a kill between the two steps."""
    run = world.begin()
    run.hand_out(["w0"])
    first, *_ = world.folder.tasks("w0")
    world.answer(first)
    [(path, _)] = world.folder.results()
    told = path.read_text()
    run.collect()
    before = world.ledger.totals(JOB)
    path.write_text(told)
    world.begin().collect()
    assert world.ledger.totals(JOB) == before
    assert world.folder.results() == []


def test_a_job_is_drained_once_all_is_in_the_ledger(world: World) -> None:
    run = world.begin()
    for _ in range(6):
        run.hand_out(["w0"])
        for task in world.folder.tasks("w0"):
            world.answer(task)
        run.collect()
    assert run.drained
    assert world.done() == set(range(6))


def test_while_nothing_succeeds_mini_batches_are_tried_again_less_and_far_apart(world: World) -> None:
    run = world.begin()
    tried: list[int] = []
    while not run.drained:
        run.hand_out(["w0"])
        for task in world.folder.tasks("w0"):
            tried.append(mini_batch_id(task).file)
            world.answer(task, reason="RunFailed")
        run.collect()
    assert Counter(tried) == {0: 4, 1: 4, 2: 4, 3: 4, 4: 1, 5: 1}


def test_a_file_of_whose_cutting_workers_die_again_and_again_fails_at_last(world: World) -> None:
    world.ledger.remove(JOB)
    world.ledger.open(JOB, [LedgerFile(number=0, uri="/d/0", name="0", size=1, version="1")])
    run = world.begin()
    for _ in range(RULES.max_retries + 1):
        run.cut([File(0, "/d/0", "0", 1, 1)])
        run.hand_out(["w0"])
        world.start(world.folder.tasks("w0")[0])
        run.bury("w0", "its worker ended with exit code 7", by_itself=True)
    (file,) = world.ledger.files(JOB)
    assert (file.state, file.reason) == (FileState.FAILED, "it cannot be cut: its worker ended with exit code 7")


def test_a_file_whose_cutting_fails_is_cut_again_unless_it_cannot_be_read(world: World) -> None:
    world.ledger.remove(JOB)
    world.ledger.open(JOB, [LedgerFile(number=n, uri=f"/d/{n}", name=f"{n}", size=1, version="1") for n in (0, 1)])
    run = world.begin()
    tries: Counter[int] = Counter()
    while world.ledger.files(JOB, state=FileState.LISTED):
        run.cut([File(f.number, f.uri, f.name, 1, 1) for f in world.ledger.files(JOB, state=FileState.LISTED)])
        run.hand_out(["w0"])
        for task in world.folder.tasks("w0"):
            number, _ = numbers_of(task)
            tries[number] += 1
            world.answer(task, reason=INPUT_UNREADABLE if number else RUN_FAILED)
        run.collect()
    assert tries == {0: RULES.max_retries + 1, 1: 1}
    assert [file.state for file in world.ledger.files(JOB)] == [FileState.FAILED, FileState.SKIPPED]


def test_a_mini_batch_of_which_its_worker_dies_by_itself_is_tried_as_often_as_one_that_raises(world: World) -> None:
    run = world.begin()
    tries = 0
    while MiniBatchState.FAILED not in world.states():
        run.hand_out(["w0"])
        task, *_ = world.folder.tasks("w0")
        world.start(task)
        run.bury("w0", "its worker ended with exit code 7", by_itself=True)
        tries += 1
    assert tries == RULES.max_retries + 1
