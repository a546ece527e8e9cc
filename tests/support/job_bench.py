"""The coordinator of jobs on fakes: an engine without processes, and workers that do what a test tells them."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.deploying import Bench

from penstock.batch.active_job import JobParts
from penstock.batch.batch_deployments import BatchDeployments
from penstock.batch.crew import Crew
from penstock.batch.job_input import JobInput
from penstock.batch.job_reconciler import JobReconciler
from penstock.batch.jobs import Jobs
from penstock.batch.launch import Launches
from penstock.batch.leftovers import Leftovers
from penstock.batch.places import JobPlaces
from penstock.batch.seating import Seating
from penstock.batch.transfers import MOVER
from penstock.batch.work_folder import WorkFolder
from penstock.control.resources import Resources
from penstock.domain.batch_deployment import BatchDeployment
from penstock.domain.batch_endpoint import BATCH_ENDPOINT, BatchEndpoint
from penstock.domain.data import Data
from penstock.domain.errors import not_found
from penstock.domain.fields import parse
from penstock.domain.invocation import Invocation
from penstock.domain.job import JOB, Job, JobState, JobStatus
from penstock.domain.names import AssetReference
from penstock.domain.resource import Key, Resource
from penstock.domain.samples import SKIP_PROPERTY
from penstock.preparation.defaults import Defaults
from penstock.storage.anywhere import Anywhere
from penstock.storage.base import StoredFile
from penstock.storage.connections import Connection
from penstock.testing.ledger import MemoryLedger
from penstock_worker import batch_contract, contract
from penstock_worker.batch.finishing import finish
from penstock_worker.batch_contract import FINISH, SCORE, FileFault, Order, Part, Result, Task, part_name, result_path

ME = "test"


class JobBench:
    """Endpoint `sizes` with a script's deployment `first`, of mini-batches of two files; six files of input, and room
    for `seats` workers. `enqueued` are the keys of which somebody wanted another look."""

    kind = JOB

    def __init__(self, folder: Path, seats: int = 2, kept_for: timedelta | None = None) -> None:
        self.bench = Bench(folder / "home")
        self.clock, self.engine = self.bench.clock, self.bench.engine
        self.enqueued: list[str] = []
        self.resources = Resources(self.bench.store, self.clock, lambda key: self.enqueued.append(key.name))
        self.places = JobPlaces(folder / "home" / "jobs")
        self.ledger = MemoryLedger()
        storage = _Data(_nowhere, _nothing)
        self.jobs = Jobs(self.resources, storage)
        defaults = Defaults(base_environment={}, memory_bytes=2**30, max_body_bytes=2**20, log_bytes=2**20)
        crew = Crew(self.engine, self.places, defaults, lambda _: {})
        launches = Launches(self.bench.preparation, self.bench.environments, self.bench.builds, self.places)
        parts = JobParts(
            ledger=self.ledger,
            crew=crew,
            input=JobInput(storage, self.ledger, self.places, lambda _: None),
            places=self.places,
            leftovers=Leftovers(self.places, self.ledger, kept_for),
        )
        self.seating = Seating(self.resources, seats)
        self.reconciler = JobReconciler(self.resources, parts, launches, self.seating, self.clock)
        self.data = folder / "data"
        self.data.mkdir()
        for number in range(6):
            (self.data / f"{number}.csv").write_text(f"{number}\n")
        self._deploy()

    def close(self) -> None:
        self.reconciler.close()
        self.bench.close()

    def invoke(self, name: str, **fields: Any) -> None:
        self.clock.advance(timedelta(seconds=1))
        invocation = Invocation.model_validate({"job_name": name, "inputs": str(self.data), **fields})
        self.jobs.invoke("sizes", invocation, actor=ME)

    def job(self, name: str) -> Resource[Job, JobStatus]:
        return self.resources.get(JOB, name)

    def status(self, name: str) -> JobStatus:
        return self.job(name).status

    def step(self, name: str) -> timedelta | None:
        again = self.reconciler.reconcile(Key(JOB.name, name))
        self.clock.advance(timedelta(milliseconds=100))
        return again

    def until(self, name: str, state: JobState, play: Callable[[], object] = lambda: None) -> JobStatus:
        """Reconcile, and let `play` have its turn in between, until the job is in that state."""
        deadline = time.monotonic() + 100
        while self.status(name).state is not state:
            assert time.monotonic() < deadline, self.status(name)
            self.step(name)
            if self.status(name).state is not state:
                play()
        return self.status(name)

    def settled(self, name: str) -> timedelta | None:
        """The last step of a job that is over: when it wants to be looked at again."""
        for _ in range(100):
            again = self.step(name)
            if again is None or again > timedelta(seconds=1):
                return again
        raise AssertionError(self.status(name))

    def processes(self, name: str) -> list[str]:
        return sorted(p.name.rpartition(".")[2] for p in self.engine.inspect() if p.name.startswith(f"job.{name}."))

    def running(self, name: str) -> list[str]:
        mine = (p for p in self.engine.inspect() if p.name.startswith(f"job.{name}.") and p.running)
        return sorted(p.name.rpartition(".")[2] for p in mine)

    def workers(self, name: str) -> list[str]:
        return [worker for worker in self.running(name) if worker != MOVER]

    def engine_names(self, name: str) -> list[str]:
        return [p.name for p in self.engine.inspect() if p.name.startswith(f"job.{name}.")]

    def load(self, name: str) -> None:
        """Have all workers of a job ready."""
        for worker in self.workers(name):
            path = self.folder(name).report_path(worker)
            if not path.exists():
                contract.write_report(path, contract.Report(phase=contract.READY, pid=1))

    def work(self, name: str, *, unanswered: int = 0) -> None:
        """Have the workers of a job ready, and each do all its tasks; `unanswered` is a file that the script has not
        answered for."""
        self.load(name)
        for worker in self.workers(name):
            for task in self.folder(name).tasks(worker):
                self.answer(name, worker, task, unanswered=unanswered)

    def answer(self, name: str, worker: str, task: str, *, unanswered: int = 0, reason: str = "") -> None:
        folder = self.folder(name)
        given = folder.task(worker, task)
        assert given is not None
        if given.kind == FINISH:
            order = batch_contract.read(folder.path / "order.json", Order)
            assert order is not None
            result = finish(folder.path, given, order, lambda: None)
        else:
            assert given.kind == SCORE
            failed = Result(task, given.attempt, "", reason=reason, message="the disk is full")
            result = failed if reason else _scored(folder.path, given, unanswered)
        text = json.dumps(asdict(result) | {"worker": worker})
        result_path(folder.path, task, given.attempt).write_text(text)
        folder.withdraw(worker, task)

    def silent(self, name: str, worker: str, seconds: float) -> None:
        """Have it be so long ago that the worker gave a sign of life."""
        then = time.time() - seconds
        os.utime(self.folder(name).path / "current" / worker, (then, then))

    def folder(self, name: str) -> WorkFolder:
        return WorkFolder(self.places.work(name))

    def _deploy(self) -> None:
        self.resources.apply(BATCH_ENDPOINT, "sizes", BatchEndpoint(name="sizes"), actor=ME)
        spec = {
            "code_configuration": {"code": self.bench.upload("one"), "scoring_script": "score.py"},
            "environment": {"conda_file": {"dependencies": [{"pip": ["pack==1"]}]}},
            "properties": {SKIP_PROPERTY: "true"},
            "settings": {"mini_batch_size": 2, "instance_count": 2},
        }
        deployments = BatchDeployments(self.resources, self.bench.preparation)
        deployments.apply("sizes", "first", parse(BatchDeployment, spec, "test"), actor=ME)
        deployments.set_default("sizes", "first", actor=ME)


class _Data(Anywhere):
    """Of this machine; buckets are empty."""

    def list(self, uri: str, kind: str) -> Sequence[StoredFile]:
        if uri.startswith("s3://"):
            raise not_found(f"{uri} does not exist")
        return super().list(uri, kind)


def _scored(folder: Path, task: Task, unanswered: int) -> Result:
    """A line for each file; `unanswered` is the number of one without."""
    files = [segment.file for segment in task.segments]
    answered = [file for file in files if not unanswered or file.number != unanswered]
    part = Part(part_name(task, -1, ".csv"), "rows", len(answered), 1)
    (folder / "parts" / part.name).write_text("".join(f"{file.name}\n" for file in answered))
    faults = tuple(FileFault(f.number, "NotAnswered", "no item") for f in files if f not in answered)
    return Result(
        task.id,
        task.attempt,
        "",
        parts=(part,),
        faults=faults,
        rows_in=len(files),
        rows_out=len(answered),
        seconds={"predict": 1.0},
    )


def _nowhere(name: str) -> Connection:
    raise not_found(f"datastore {name!r} does not exist")


def _nothing(asset: AssetReference) -> Data:
    raise not_found(f"data {asset.name!r} does not exist")
