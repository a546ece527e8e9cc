"""`python -m penstock.storage.mover`: a process that moves the files of a batch job from and to other machines.

It takes its tasks from the job's work folder as workers do, and ends when there was none for a while. Variables:
`settings.MoverSettings`. Credentials come from files, never from its arguments.
"""

import errno
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import FrameType

import psutil

from penstock.domain.errors import Code, PenstockError
from penstock.settings import MoverSettings, mover_from_environment
from penstock.storage.anywhere import Place, place_of
from penstock.storage.delivering import deliver, take_back
from penstock.storage.fetching import Fetching, with_sizes
from penstock.storage.openings import Openings
from penstock.storage.persistence import EndedError
from penstock.storage.storing import Storing
from penstock.storage.uris import is_local, local_path
from penstock.storage.web import Web
from penstock_worker import batch_contract as contract
from penstock_worker.batch_contract import FileFault, Result, Segment, Task, result_path
from penstock_worker.contract import READY, Report, write_report

log = logging.getLogger("penstock.mover")

_NICENESS = 5
_LOOK_SECONDS = 0.05
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FETCH_REASONS = {Code.CONFLICT: contract.INPUT_CHANGED, Code.NOT_FOUND: contract.INPUT_CHANGED}
_STORE_REASONS = {Code.CONFLICT: contract.OUTPUT_EXISTS}


def main() -> None:
    """Run the mover of this process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.nice(_NICENESS)
    settings = mover_from_environment()
    ending = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if settings.report is not None:
        write_report(settings.report, Report(phase=READY, pid=os.getpid()))
    Mover(settings, ending).run()


class Mover:
    def __init__(self, settings: MoverSettings, ending: threading.Event) -> None:
        self._folder = settings.folder
        self._worker = settings.worker
        self._ending = ending
        self._settings = settings
        self._tasks = settings.folder / "tasks" / settings.worker
        self._current = settings.folder / "current" / settings.worker

    def run(self, idle_seconds: float = contract.IDLE_SECONDS) -> None:
        """Do one task after the other, until there was none for a while, or the process is to end."""
        idle_at = time.monotonic() + idle_seconds
        while not self._ending.is_set():
            try:
                name = min((n for n in os.listdir(self._tasks) if n.endswith(".json") and n[0] != "."), default=None)
                if name is not None:
                    self._take(self._tasks / name)
                    idle_at = time.monotonic() + idle_seconds
                    continue
            except FileNotFoundError:
                log.info("the job's folder is gone")
                return
            except EndedError:
                return
            if time.monotonic() >= idle_at:
                return
            self._ending.wait(_LOOK_SECONDS)

    def _take(self, path: Path) -> None:
        task = contract.read(path, Task)
        if task is None:
            path.unlink(missing_ok=True)  # nothing that this version understands
            return
        told = result_path(self._folder, task.id, task.attempt)
        # It is there if an earlier process was killed before it could delete the task.
        if not told.exists():
            self._beat()
            result = self._result(task)
            if result.reason:
                log.warning("%s %s: %s: %s", task.kind, task.id, result.reason, result.message)
            self._tell(told, replace(result, memory_bytes=psutil.Process().memory_info().rss))
        path.unlink(missing_ok=True)

    def _result(self, task: Task) -> Result:
        start = time.monotonic()
        try:
            result = self._fetch(task) if task.kind == contract.FETCH else self._store(task)
        except PenstockError as err:
            result = self._failed(task, _reason(task, err), err.message)
        except OSError as err:
            if not isinstance(err, FileNotFoundError) and err.errno not in _FULL:
                raise
            reason = contract.NO_SPACE if err.errno in _FULL else contract.STORAGE_UNAVAILABLE
            result = self._failed(task, reason, f"{task.kind} {task.id}: {err}")
        return replace(result, seconds={"read" if task.kind == contract.FETCH else "write": time.monotonic() - start})

    def _fetch(self, task: Task) -> Result:
        files = [segment.file for segment in task.segments]
        fetched = self._fetching.fetch(files, task.remotes, self._beat)
        faults = [
            FileFault(files[number].number, _reason(task, error), error.message)
            for number, error in sorted(fetched.errors.items())
        ]
        whole = with_sizes(files, fetched.sizes)
        result = Result(
            id=task.id,
            attempt=task.attempt,
            worker=self._worker,
            segments=tuple(Segment(file=file) for file in whole),
            faults=tuple(faults),
            bytes_in=sum(file.size for file in whole),
        )
        return replace(result, reason=faults[0].reason, message=faults[0].message) if faults else result

    def _store(self, task: Task) -> Result:
        if len(task.remotes) != 1:
            return self._failed(task, contract.STORAGE_DENIED, f"task {task.id} names no destination")
        uri = task.remotes[0].uri
        if task.kind == contract.WITHDRAW:
            self._withdraw(task.folder, uri)
            return Result(id=task.id, attempt=task.attempt, worker=self._worker)
        if is_local(uri):
            mark, job = contract.stored_mark(self._folder, task.id), self._folder.parent.name
            count = deliver(Path(task.folder), Path(local_path(uri)), mark, job, self._beat)
        else:
            count = self._storing.store(task.id, Path(task.folder), self._place(uri), self._beat)
        return Result(id=task.id, attempt=task.attempt, worker=self._worker, bytes_in=count)

    def _withdraw(self, store: str, uri: str) -> None:
        """Take back what the task `store` has stored there."""
        if is_local(uri):
            take_back(Path(local_path(uri)), contract.stored_mark(self._folder, store))
        else:
            self._storing.withdraw(store, self._place(uri), self._beat)

    def _failed(self, task: Task, reason: str, message: str) -> Result:
        return Result(id=task.id, attempt=task.attempt, worker=self._worker, reason=reason, message=message)

    def _tell(self, path: Path, result: Result) -> None:
        """Write the result, as soon as the disk takes it."""
        while True:
            try:
                contract.write(path, result)
                return
            except OSError as err:
                if err.errno not in _FULL:
                    raise
            if self._ending.wait(1):
                raise EndedError
            self._beat()

    def _beat(self) -> None:
        with suppress(OSError):
            os.utime(self._current)

    def _place(self, uri: str) -> Place:
        return place_of(uri, self._openings.connection)

    @cached_property
    def _openings(self) -> Openings:
        return Openings(self._settings.datastores, self._settings.secrets)

    @cached_property
    def _fetching(self) -> Fetching:
        return Fetching(self._place, Web(), self._ending)

    @cached_property
    def _storing(self) -> Storing:
        return Storing(self._folder, self._ending)


def _reason(task: Task, error: PenstockError) -> str:
    known = _STORE_REASONS if task.kind == contract.STORE else _FETCH_REASONS
    fallback = contract.STORAGE_UNAVAILABLE if error.code is Code.UNAVAILABLE else contract.STORAGE_DENIED
    return known.get(error.code, fallback)


if __name__ == "__main__":
    main()
