"""The coordinator's side of a job's work folder; see penstock_worker/batch_contract.py for what lies in it."""

import json
import os
import shutil
import stat
import time
from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from penstock_worker import batch_contract as contract
from penstock_worker.batch_contract import ManifestLine, Order, Result, Task
from penstock_worker.contract import Report, read_report

_FOLDERS = ("tasks", "results", "parts", "reports", "current")


class WorkFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_full(self) -> bool:
        """True if its disk has no room for another file. Raises OSError."""
        disk = os.statvfs(self.path)
        return not (disk.f_bavail if os.geteuid() else disk.f_bfree)

    def make(self, order: Order) -> None:
        """Lay the folder out; what is in it stays. Raises OSError."""
        for name in _FOLDERS:
            (self.path / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        contract.write(self.path / "order.json", order)

    def seat(self, worker: str) -> None:
        """Make room for the tasks of a worker, and forget what is said of an earlier one of that name."""
        (self.path / "tasks" / worker).mkdir(mode=0o700, exist_ok=True)
        self.report_path(worker).unlink(missing_ok=True)
        self._write(self.path / "current" / worker, "")

    def let_in(self, worker: str) -> None:
        """Let the user of a container be this worker, whoever that is; the home folder above keeps others out.

        Where the platform writes, nobody but the platform puts something else in the place of what there is.
        """
        for path in (self.path, self.path / "tasks", self.path / "current"):
            path.chmod(0o1777)
        for path in (*(self.path / name for name in ("results", "parts", "reports")), self.path / "tasks" / worker):
            path.chmod(0o777)
        (self.path / "order.json").chmod(0o644)
        (self.path / "current" / worker).chmod(0o666)

    def give(self, worker: str, task: Task) -> None:
        """Have the worker do it. A loss of power may lose the task: its ledger does not say that it was done."""
        path = self._task(worker, task.id)
        temporary = path.with_name(f".{path.name}.new")
        self._write(temporary, json.dumps(asdict(task)))
        os.replace(temporary, path)

    def tasks(self, worker: str) -> Sequence[str]:
        """Ids of what a worker has still to do, in the order in which it does them: the first it may have begun."""
        try:
            names = os.listdir(self.path / "tasks" / worker)
        except FileNotFoundError:
            return []
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def workers(self) -> Sequence[str]:
        """All that were ever seated."""
        try:
            return sorted(os.listdir(self.path / "tasks"))
        except FileNotFoundError:
            return []

    def task(self, worker: str, task: str) -> Task | None:
        return contract.read(self._task(worker, task), Task)

    def has_task(self, worker: str, task: str) -> bool:
        return self._task(worker, task).exists()

    def withdraw(self, worker: str, task: str) -> None:
        """Take a task back from a worker that does not run any more."""
        self._task(worker, task).unlink(missing_ok=True)

    def clear_tasks(self) -> None:
        """Take all tasks back, of a job that has no processes."""
        for worker in self.workers():
            for task in self.tasks(worker):
                self.withdraw(worker, task)

    def results(self) -> Sequence[tuple[Path, Result | None]]:
        """What has come, with the file it came in; None for what cannot be understood."""
        with suppress(FileNotFoundError):
            paths = [e.path for e in os.scandir(self.path / "results") if e.name.endswith(".json")]
            return [(Path(path), contract.read(Path(path), Result)) for path in sorted(paths)]
        return []

    def parts(self) -> Set[str]:
        """Names of the files that mini-batches have come to. Raises OSError."""
        return frozenset(os.listdir(self.path / "parts"))

    def has_result(self, task: str, attempt: int) -> bool:
        return contract.result_path(self.path, task, attempt).exists()

    def begun(self, worker: str) -> str:
        """The task that the worker began last; empty if it has begun none."""
        with suppress(OSError):
            return (self.path / "current" / worker).read_text(errors="replace")[:100].strip()
        return ""

    def quiet_seconds(self, worker: str) -> float:
        """For how long a worker has given no sign of life."""
        with suppress(FileNotFoundError):
            return max(0.0, time.time() - (self.path / "current" / worker).stat().st_mtime)
        return 0.0

    def touch(self, worker: str) -> None:
        """Let the patience with a worker begin anew, as where it is given something to do after a pause."""
        path = self.path / "current" / worker
        path.touch(mode=0o600)
        now = time.time()
        os.utime(path, (now, now))

    def report(self, worker: str) -> Report | None:
        return read_report(self.report_path(worker))

    def report_path(self, worker: str) -> Path:
        return self.path / "reports" / f"{worker}.json"

    def write_manifest(self, lines: Iterable[ManifestLine]) -> Path:
        """The list of all parts, for who makes the final files."""
        path = self.path / "manifest.jsonl"
        temporary = path.with_name(".manifest.new")
        with self._opened(temporary) as file:
            for line in lines:
                file.write(json.dumps(asdict(line), separators=(",", ":")) + "\n")
        os.replace(temporary, path)
        return path

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def _write(self, path: Path, text: str) -> None:
        with self._opened(path) as file:
            file.write(text)

    def _opened(self, path: Path) -> TextIO:
        """A file to write anew, readable by the workers. No link is followed: containers may write here too."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        if self.path.stat().st_mode & stat.S_IXOTH:
            os.fchmod(descriptor, 0o644)
        return open(descriptor, "w", encoding="utf-8")

    def _task(self, worker: str, task: str) -> Path:
        return self.path / "tasks" / worker / f"{task}.json"
