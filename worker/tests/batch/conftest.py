"""A job's folder made by hand, and real worker processes that do its tasks."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock_worker import batch_contract, contract
from penstock_worker.batch_contract import File, Order, Result, Segment, Task

SOURCE = Path(__file__).parents[2] / "src"
WORKER = "w1"


def a_file(path: Path, number: int = 0) -> File:
    found = path.stat()
    return File(number, str(path), path.name, found.st_size, found.st_mtime_ns)


@dataclass
class Job:
    """A job's folder, as the coordinator makes it, and the processes that a test has started in it."""

    root: Path
    order: Order
    started: list[subprocess.Popen[bytes]] = field(default_factory=list[Any])

    @property
    def folder(self) -> Path:
        return self.root / "work"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def parts(self) -> list[str]:
        """Names of all that lies in `parts/`, hidden files too."""
        return sorted(os.listdir(self.folder / "parts"))

    def script(self, text: str) -> None:
        (self.root / "app" / "score.py").write_text(textwrap.dedent(text))

    def files(self, count: int = 1) -> tuple[File, ...]:
        """Files of the input; the content of each is its number."""
        made = [self.root / "input" / f"{number}.txt" for number in range(count)]
        for number, path in enumerate(made):
            path.write_text(str(number))
        return tuple(a_file(path, number) for number, path in enumerate(made))

    def give(self, files: tuple[File, ...], number: int = 0, attempt: int = 1, kind: str = "score") -> Task:
        """Hand a mini-batch of whole `files` to the worker."""
        task = Task(f"{number:06d}", kind, attempt, tuple(Segment(file) for file in files))
        batch_contract.write(self.task_path(task), task)
        return task

    def task_path(self, task: Task) -> Path:
        return self.folder / "tasks" / WORKER / f"{task.id}.json"

    def result(self, task: Task) -> Result | None:
        return batch_contract.read(batch_contract.result_path(self.folder, task.id, task.attempt), Result)

    def part(self, result: Result) -> bytes:
        (part,) = result.parts
        data = (self.folder / "parts" / part.name).read_bytes()
        assert part.bytes == len(data)
        return data

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCE),
            contract.APP_ROOT: str(self.root / "app"),
            contract.ENTRY_SCRIPT: "score.py",
            contract.REPORT: str(self.folder / "reports" / f"{WORKER}.json"),
            batch_contract.FOLDER: str(self.folder),
            batch_contract.WORKER: WORKER,
            batch_contract.OUTPUT_PATH: self.order.output_path,
        }

    def start(self, *arguments: str, ready: bool = True, python: str = sys.executable, **more: str) -> Any:
        """A worker process; with `ready`, one that has loaded the script."""
        with (self.root / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [python, "-m", "penstock_worker.batch", *arguments],
                cwd=self.root / "app",
                env={**self.environment(), **more},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.started.append(process)
        if ready:
            self.wait_for(lambda: self.report().phase == contract.READY and self.report().pid == process.pid)
        return process

    def report(self) -> contract.Report:
        report = contract.read_report(self.folder / "reports" / f"{WORKER}.json")
        return report or contract.Report(contract.LOADING, 0)

    def finished(self, task: Task) -> Result:
        """What came of `task`, once the worker has deleted it."""
        self.wait_for(lambda: not self.task_path(task).exists())
        result = self.result(task)
        assert result is not None
        return result

    def end(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=60)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 100
        while not condition():
            assert time.monotonic() < deadline, (self.root / "worker.log").read_text()
            time.sleep(0.005)


MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(tmp_path: Path) -> Iterator[MakeJob]:
    """Makes a job for a script: `make_job(script, output_action="append_row", ...)`, fields of the order."""
    made: list[Job] = []

    def make(script: str, **order: Any) -> Job:
        root = tmp_path / f"job{len(made)}"
        for name in ("tasks/w1", "results", "parts", "reports", "current"):
            (root / "work" / name).mkdir(parents=True)
        for name in ("app", "input", "output"):
            (root / name).mkdir()
        usual: dict[str, Any] = {"logs_folder": str(root / "logs"), "output_path": str(root / "output")}
        told = Order("j", "append_row", "azure", "one_file", "predictions.csv", str(root / "output"), **usual)
        job = Job(root, Order(**{**vars(told), **order}))
        batch_contract.write(job.folder / "order.json", job.order)
        job.script(script)
        made.append(job)
        return job

    yield make
    for job in made:
        for process in job.started:
            process.kill()
            process.wait()
        shutil.rmtree(job.root)
