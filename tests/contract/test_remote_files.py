"""A job that reads other machines: its files come ahead of the workers, and go when nobody needs them any more.

The coordinator is real; its mover and workers are played here, and may die at any point, as it may itself.
"""

import json
import os
import random
import shutil
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from penstock.batch.active_job import ActiveJob, JobParts
from penstock.batch.crew import Crew
from penstock.batch.job_input import JobInput
from penstock.batch.launch import Launch
from penstock.batch.leftovers import Leftovers
from penstock.batch.orders import order_of
from penstock.batch.places import JobPlaces
from penstock.domain.environment import Requirements
from penstock.domain.fields import parse
from penstock.domain.job import Job
from penstock.environments.base import BuiltEnvironment
from penstock.preparation.defaults import Defaults
from penstock.preparation.revisions import Ingredients
from penstock.storage.anywhere import Anywhere
from penstock.storage.connections import Connection
from penstock.store.ledger import FileState, LedgerFile, MiniBatchState
from penstock.testing.engine import FakeEngine
from penstock.testing.ledger import MemoryLedger
from penstock_worker import batch_contract as contract
from penstock_worker.batch_contract import BYTES, CUT, FETCH, File, Result, Segment, Task
from penstock_worker.contract import READY, Report, write_report

MB = 1024 * 1024
JOB = "score"


class World:
    """A job of a model on files of these sizes (MB); `most` MB of them are kept on this machine."""

    def __init__(self, path: Path, sizes: list[int]) -> None:
        self.places = JobPlaces(path / "jobs")
        self.ledger = MemoryLedger()
        self.engine = FakeEngine()
        self.largest = 0  # MB that were here at a time
        self.fetched, self.scored = Counter[int](), Counter[str]()
        self._path = path
        files = [
            LedgerFile(number=n, uri=f"s3://lake/{n}.csv", name=f"{n}.csv", size=size * MB, version="etag:1")
            for n, size in enumerate(sizes)
        ]
        self.ledger.open(JOB, files)
        self.begin()

    def begin(self, attempt: int = 1) -> None:
        """As a control plane does that starts anew."""
        spec = {
            "endpoint_name": "e",
            "deployment_name": "d",
            "deployment": {"name": "d", "endpoint_name": "e", "model": {"path": "m"}},
            "inputs": {"in": {"path": "s3://lake"}},
            "attempt": attempt,
        }
        job = parse(Job, spec, "test")
        storage = Anywhere(_none, _none)
        defaults = Defaults(base_environment={}, memory_bytes=2**30, max_body_bytes=2**20, log_bytes=2**20)
        parts = JobParts(
            ledger=self.ledger,
            crew=Crew(self.engine, self.places, defaults, lambda _: {}),
            input=JobInput(storage, self.ledger, self.places, lambda _: None),
            places=self.places,
            leftovers=Leftovers(self.places, self.ledger, None),
        )
        requirements = Requirements(python="3.11", packages=())
        ingredients = Ingredients(
            model=None, code=None, requirements=requirements, environment_variables={}, memory_bytes=None
        )
        built = BuiltEnvironment(fingerprint="f", python=Path("/python"), build_seconds=0)
        launch = Launch(ingredients=ingredients, app=self._path, environment=built)
        self.job = ActiveJob(JOB, job, order_of(JOB, job, self.places, self._path / "out"), parts, launch)

    def step(self) -> bool:
        """One of the coordinator; True if all is done."""
        if self.job.run.drained and self.job.plan():
            return True
        found = self.job.step(2, 2)
        assert not found.stop, found
        return False

    def rest(self) -> None:
        """Some more steps, in which it tidies up."""
        for _ in range(20):
            self.job.step(2, 2)

    def running(self) -> list[str]:
        return sorted(p.name.rpartition(".")[2] for p in self.engine.inspect() if p.running)

    def play(self, worker: str, *, reason: str = "") -> None:
        """Have a worker or the mover do its next task, if it has one; with a `reason` it fails."""
        if worker not in self.running():
            return
        write_report(self.job.folder.report_path(worker), Report(phase=READY, pid=1))
        for task in self.job.folder.tasks(worker)[:1]:
            given = self.job.folder.task(worker, task)
            assert given is not None
            (self.job.folder.path / "current" / worker).write_text(task)
            self._tell(self._fetch(given) if given.kind == FETCH else self._read(given, reason), worker)
            self.job.folder.withdraw(worker, task)
        self.largest = max(self.largest, sum(self.here().values()))

    def refuse(self, reason: str, message: str) -> None:
        """The mover cannot do its first task."""
        while not self.job.folder.tasks("m0"):
            self.step()
        (task,) = self.job.folder.tasks("m0")
        self._tell(Result(task, 1, "m0", reason=reason, message=message), "m0")
        self.job.folder.withdraw("m0", task)

    def die(self, worker: str) -> None:
        """In the middle of its next task."""
        if worker in self.running():
            for task in self.job.folder.tasks(worker)[:1]:
                (self.job.folder.path / "current" / worker).write_text(task)
                given = self.job.folder.task(worker, task)
                if given is not None and given.kind == FETCH:
                    self._fetch(Task(given.id, FETCH, 1, segments=given.segments[: len(given.segments) // 2]))
            self.engine.die(f"job.{JOB}.{worker}", -9)

    def here(self) -> dict[str, int]:
        """MB by file."""
        found = self.places.inputs(JOB).glob("*/*")
        return {path.name: path.stat().st_size // MB for path in found}

    def states(self) -> Counter[str]:
        return Counter(each.state.value for each in self.ledger.mini_batches(JOB))

    def _fetch(self, task: Task) -> Result:
        for file in (segment.file for segment in task.segments):
            path = Path(file.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch()
                os.truncate(path, file.size)
                self.fetched[file.number] += 1
        return Result(task.id, task.attempt, "m0", segments=task.segments)

    def _read(self, task: Task, reason: str) -> Result:
        files = [segment.file for segment in task.segments]
        assert all(os.path.getsize(file.path) == file.size for file in files)
        if reason:
            return Result(task.id, task.attempt, "", reason=reason)
        if task.kind == CUT:
            return Result(task.id, task.attempt, "", segments=tuple(_pieces(files[0])))
        self.scored[task.id] += 1
        return Result(task.id, task.attempt, "", rows_in=1, rows_out=1, seconds={"predict": 1.0})

    def _tell(self, result: Result, worker: str) -> None:
        path = contract.result_path(self.job.folder.path, result.id, result.attempt)
        path.write_text(json.dumps(asdict(result) | {"worker": worker}))


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of what is free here may be used: 40 MB."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=160 * MB))


SIZES = [3, 40, *[3] * 10, 25, 25, *[3] * 10, 60, 9, 3]


def _ended(world: World, *, steps: int = 3000) -> None:
    """Everybody does what there is to do."""
    for _ in range(steps):
        if world.step():
            world.rest()
            return
        for worker in ("m0", "w0", "w1"):
            world.play(worker)
    raise AssertionError(world.states())


@pytest.mark.parametrize("sizes", [SIZES, [60], [3]], ids=["many", "one that is cut", "one small"])
def test_all_is_scored_within_the_room_there_is_and_nothing_is_left(tmp_path: Path, sizes: list[int]) -> None:
    world = World(tmp_path, sizes)

    _ended(world)

    assert world.states().keys() == {"done"}
    assert world.here() == {}
    assert world.largest < 40 + 60
    assert world.fetched == Counter(range(len(sizes)))


def test_a_file_is_scored_as_soon_as_it_is_here(tmp_path: Path) -> None:
    world = World(tmp_path, [60, 60, 60])
    while not world.scored:
        world.step()
        for worker in ("m0", "w0", "w1"):
            world.play(worker)

    assert len(world.fetched) == 1


@pytest.mark.parametrize("restarts", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_whoever_dies_all_is_settled_and_no_file_is_missing_that_is_needed(
    tmp_path: Path, seed: int, restarts: bool
) -> None:
    chance = random.Random(seed)
    world = World(tmp_path, SIZES)
    for _ in range(3000):
        if world.step():
            break
        worker = chance.choice(("m0", "w0", "w1"))
        match chance.randrange(12):
            case 0:
                world.die(worker)
            case 1 if restarts:
                world.begin()
            case 2 if worker != "m0":
                world.play(worker, reason=contract.RUN_FAILED)
            case _:
                world.play(worker)

    world.rest()
    assert {each.state for each in world.ledger.files(JOB)} <= {FileState.CUT, FileState.FAILED}
    assert world.ledger.mini_batches(JOB, state=MiniBatchState.TODO) == []
    assert world.here() == {}
    assert world.largest < 40 + 60 + 60


def test_a_file_whose_cutting_died_does_not_keep_the_room_that_the_others_wait_for(tmp_path: Path) -> None:
    """It is cut again once there is nothing else to do, and the others are fetched once there is room."""
    world = World(tmp_path, [60, 3])
    while not world.job.folder.tasks("w0"):
        world.step()
        world.play("m0")
    world.die("w0")
    world.step()
    world.die("w1")

    _ended(world)

    assert world.states().keys() == {"done"}


def test_what_was_settled_just_before_a_crash_is_removed_after_it(tmp_path: Path) -> None:
    world = World(tmp_path, [3, 3])
    _ended(world)
    (world.places.inputs(JOB) / "00000001").mkdir()
    (world.places.inputs(JOB) / "00000001" / "1.csv").touch()

    world.begin()
    world.rest()

    assert world.here() == {}


def test_what_has_failed_is_fetched_again_when_the_job_is_resumed(tmp_path: Path) -> None:
    world = World(tmp_path, [3, 3, 25])
    for _ in range(100):
        if world.step():
            break
        for worker in ("m0", "w0", "w1"):
            world.play(worker, reason=contract.RUN_FAILED if worker != "m0" and _scores(world, worker) else "")
    world.rest()
    failed, gone = world.states(), world.here()
    world.ledger.reopen(JOB)
    for worker in world.running():
        world.engine.die(f"job.{JOB}.{worker}", 0)
    world.begin(attempt=2)
    _ended(world)

    assert (failed.keys(), gone) == ({"failed"}, {})
    assert world.states().keys() == {"done"}
    assert set(world.fetched.values()) == {2}


def test_a_file_that_changed_before_it_was_fetched_ends_the_job_with_its_name(tmp_path: Path) -> None:
    world = World(tmp_path, [3, 3])
    world.refuse(contract.INPUT_CHANGED, "s3://lake/1.csv has changed since it was listed")

    assert world.job.step(2, 2).stop == "s3://lake/1.csv has changed since it was listed"


def test_a_store_that_does_not_answer_is_asked_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, [3, 3])
    world.refuse(contract.STORAGE_UNAVAILABLE, "s3://lake cannot be reached just now")

    assert world.job.step(2, 2).waiting == "s3://lake cannot be reached just now"
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    _ended(world)
    assert world.states().keys() == {"done"}


def _scores(world: World, worker: str) -> bool:
    tasks = world.job.folder.tasks(worker)
    return bool(tasks) and tasks[0].startswith("m")


def _pieces(file: File) -> list[Segment]:
    size = 16 * MB
    starts = range(0, file.size, size)
    return [Segment(file, BYTES, start, min(size, file.size - start), rows=1) for start in starts]


def _none(name: object) -> Connection:
    raise AssertionError(name)
