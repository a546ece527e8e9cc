"""One job that is under way: its workers, its mini-batches, its final files. Each call is one step, safe to repeat."""

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from penstock.batch import error_log
from penstock.batch.collected import Collected
from penstock.batch.crew import Crew
from penstock.batch.fetching_ahead import ahead_bytes
from penstock.batch.job_input import JobInput
from penstock.batch.job_progress import Trial
from penstock.batch.job_queue import Rules
from penstock.batch.job_run import JobRun
from penstock.batch.job_workers import JobWorkers, number_of
from penstock.batch.launch import Launch
from penstock.batch.leftovers import Leftovers
from penstock.batch.parts_done import lost_mini_batches, manifest_lines
from penstock.batch.places import JobPlaces
from penstock.batch.planning import by_count, file_of, in_steps, is_cut, small_groups
from penstock.batch.remote_files import RemoteFiles
from penstock.batch.transfers import MOVER, STORING, fetching, storing
from penstock.batch.work_folder import WorkFolder
from penstock.domain.job import Job
from penstock.store.ledger import FileState, Ledger, LedgerFile, MiniBatchState
from penstock_worker.batch_contract import (
    FINISH,
    NO_SPACE,
    STORAGE_UNAVAILABLE,
    Order,
    Result,
    Task,
)

log = logging.getLogger(__name__)

_PLANNED_AT_ONCE = 5000  # mini-batches: while they are written down, nobody else writes, and the lease is not renewed
_PAUSE_SECONDS = 5.0  # before more is handed out to a full disk
FINISHING = "z-finish"


@dataclass
class Step:
    """What a step has found. `stop` ends the job as failed, `waiting` is what it waits for."""

    ready: int = 0  # workers that have loaded
    running: int = 0
    stop: str = ""
    traceback: str = ""
    waiting: str = ""
    settled: bool = False  # there are no mini-batches to do any more
    done: bool = False  # the final files are where they belong
    lasting: float = 0.0  # seconds for which all workers have something to do, as it seems


@dataclass(frozen=True, kw_only=True)
class JobParts:
    """What jobs work with."""

    ledger: Ledger
    crew: Crew
    input: JobInput
    places: JobPlaces
    leftovers: Leftovers


class ActiveJob:
    def __init__(self, name: str, spec: Job, order: Order, parts: JobParts, launch: Launch) -> None:
        self.name = name
        self.spec = spec
        self.order = order
        self.folder = WorkFolder(parts.places.work(name))
        self._ledger = parts.ledger
        self._input = parts.input
        self._launch = launch
        self._rules = Rules(
            attempt=spec.attempt,
            max_retries=spec.deployment.settings.retry_settings.max_retries,
            dry_run=spec.dry_run,
        )
        self.folder.make(order)
        fetched = parts.input.fetched_folder(name, spec)
        most_bytes = ahead_bytes(shutil.disk_usage(self.folder.path).free)
        self._remote = RemoteFiles(name, parts.ledger, fetched, most_bytes)
        self.run = JobRun(name, self._rules, order, parts.ledger, self.folder, self._remote.is_ready)
        timeout = spec.deployment.settings.retry_settings.timeout
        self.workers = JobWorkers(order, parts.crew, launch, self.run, self.folder, timeout)
        self._paused_until = 0.0
        self._told_at = 0.0
        self._waiting = ""
        self._traceback = ""
        self._settled: set[str] = set()  # ids of the last tasks that are done

    def is_due(self, seconds: float) -> bool:
        """True if it was so long ago that this was true."""
        now = time.monotonic()
        due = now - self._told_at >= seconds
        if due:
            self._told_at = now
        return due

    def plan(self) -> bool:
        """Have what the ledger says is left done; True if that is nothing. For when workers have nothing to do."""
        left = self._plan_files()
        by_state = self._ledger.totals(self.name).mini_batches_by_state
        todo = by_state.get(MiniBatchState.TODO, 0)
        if self.spec.dry_run and (by_state.get(MiniBatchState.DONE, 0) or by_state.get(MiniBatchState.FAILED, 0)):
            todo = 0  # one is tried
        if todo > 0:
            self.run.look_again()
        return not left and todo <= 0

    def last_failure(self) -> str | None:
        """The traceback of the mini-batch that failed last; after a restart, what is known of one that has failed."""
        if self._traceback:
            return self._traceback
        failed = self._ledger.mini_batches(self.name, state=MiniBatchState.FAILED, limit=1)
        return failed[0].reason or None if failed else None

    def trial(self) -> Trial:
        """What a dry run has seen."""
        files = self._ledger.files(self.name)
        batches = [b for b in self._ledger.mini_batches(self.name) if b.id.file == 0]
        known = all(b.rows >= 0 for b in batches)
        return Trial(
            read=sum(b.rows_in for b in batches),
            seconds=self.run.spent,
            rows=sum(b.rows for b in batches) if known else -1,
            size=files[0].size if files else 0,
            all_sizes=sum(file.size for file in files),
            files=len(files),
            scripted=self._launch.is_script,
        )

    def _plan_files(self) -> int:
        """Have every file that is not planned yet cut into mini-batches; returns how many workers must cut."""
        listed = self._ledger.files(self.name, state=FileState.LISTED)
        if self.spec.dry_run:
            listed = [file for file in listed if file.number == 0]
        paths = {file.number: str(self._input.path(self.name, file)) for file in listed}
        if self.spec.dry_run:
            return self._plan_dry_run(listed, paths)
        large = [] if self._launch.is_script else [file for file in listed if is_cut(file)]
        numbers = {file.number for file in large}
        small = [file for file in listed if file.number not in numbers]
        if small:
            if self._launch.is_script:
                batches = by_count(small, paths, self.order.mini_batch_files)
            else:
                batches = small_groups(small, paths)
            for files, step in in_steps(small, batches, _PLANNED_AT_ONCE):
                self._ledger.cut(self.name, files, step)
        self._cut(large, paths)
        return len(large)

    def _cut(self, files: Sequence[LedgerFile], paths: Mapping[int, str]) -> None:
        """Have files cut, as soon as they are here."""
        self.run.cut(self._remote.to_cut(file_of(file, paths[file.number]) for file in files))

    def _fetch(self) -> None:
        """Have what workers read next of other machines fetched."""
        self._remote.look(self.run.held(MOVER), lambda task: self.folder.task(MOVER, task))
        while files := self._remote.next(self.run.ahead(), starving=self.run.starving):
            listed = self._ledger.files(self.name, numbers=[file.number for file in files])
            self.workers.have_mover(lambda: self._input.elsewhere(self.name, self.spec))
            self.run.give(MOVER, fetching(files, listed, self.spec.attempt))
            self._remote.look(self.run.held(MOVER), lambda task: self.folder.task(MOVER, task))

    @property
    def finishing(self) -> bool:
        """True while a worker makes the final files."""
        return self.run.holds(FINISHING) or self.run.holds(STORING) or bool(self._settled)

    @property
    def storing(self) -> bool:
        """True while the mover takes the final files away, for which there are no workers."""
        return self.run.holds(STORING)

    def step(self, seats: int, room: int) -> Step:
        """Look at the workers and their results, have `seats` workers, of which `room` may be new, and give them what
        there is to do."""
        found, living = self._look()
        if found.stop or found.waiting:
            return found
        if self._remote.is_any:
            self._fetch()
        if self.run.drained and self.plan():
            found.settled = True
            return found
        living = self.workers.have(living, min(seats, len(living) + room))
        self.run.hand_out(living[:seats])
        self.workers.dismiss(living[seats:])  # preempted, between two mini-batches
        found.running = len(living)
        found.lasting = self.run.lasting(living)
        return found

    def finish(self, room: int) -> Step:
        """Have one worker make the final files, and the mover take them away if that is wanted; `done` at the end."""
        found, living = self._look()
        destination = self._input.destination(self.spec, apart=self._launch.image is not None)
        if found.stop or found.waiting:
            return found
        if FINISHING not in self._settled:
            living = self._have_finished(living, room)
            self.workers.dismiss(living[1:])
        elif destination is not None and STORING not in self._settled:
            self.workers.dismiss(living)
            if not self.run.holds(STORING):
                self.workers.have_mover(lambda: self._input.elsewhere(self.name, self.spec))
                self.run.give(MOVER, storing(self.order.output_folder, destination, self.spec.attempt))
        else:
            found.done = True
        found.running = len(living)
        return found

    def _look(self) -> tuple[Step, list[str]]:
        """What has come, and who lives."""
        found = Step()
        self._note(self.run.collect(), found)
        seen = self.workers.look()
        for collected in seen.collected:
            self._note(collected, found)
        found.stop = found.stop or seen.stop
        found.traceback = seen.traceback or found.traceback
        found.ready, found.running = seen.ready, len(seen.living)
        if time.monotonic() < self._paused_until:
            found.waiting = self._waiting
        elif self.folder.is_full:  # not even workers may be able to tell
            found.waiting = f"no space left on the disk that holds {self.folder.path}; it goes on when there is room"
        return found, sorted(seen.living, key=number_of)

    def _have_finished(self, living: Sequence[str], room: int) -> list[str]:
        workers = self.workers.have(living, min(1, len(living) + room))
        if workers and not self.run.holds(FINISHING):
            if lost := lost_mini_batches(self._ledger, self.name, self.folder.parts()):
                log.warning("parts of a job are gone", extra={"job": self.name, "mini_batches": len(lost)})
                self._ledger.reopen(self.name, (), lost)
                self.run.look_again()
                return workers
            manifest = self.folder.write_manifest(manifest_lines(self._ledger, self.name))
            task = Task(id=FINISHING, kind=FINISH, attempt=self.spec.attempt, manifest=str(manifest))
            self.run.give(workers[0], task)
        return workers

    def _pause(self, why: str) -> None:
        """Hand out nothing for a while."""
        self._waiting = why
        self._paused_until = time.monotonic() + _PAUSE_SECONDS

    def _plan_dry_run(self, first: Sequence[LedgerFile], paths: dict[int, str]) -> int:
        """The first file alone is read, and always cut: that tells how many rows it has."""
        if self._launch.is_script and first:
            self._ledger.cut(self.name, [0], by_count(first, paths, 1))
            return 0
        self._cut(first, paths)
        return len(first)

    def _note(self, collected: Collected, found: Step) -> None:
        found.stop = found.stop or collected.stop
        if collected.waiting:
            self._pause(collected.waiting)
        for error in collected.errors:
            self._traceback = error.traceback or error.message or self._traceback
        for worker, task, why in collected.untold:
            self._traceback = why
            error_log.append(Path(self.order.logs_folder), worker, task, why, datetime.now(UTC))
        for result in collected.finished:
            self._note_other(result, found)
        if collected.outcomes:
            self.workers.succeeded()
        if collected.outcomes or collected.aside:
            settled = [each.id for each in collected.outcomes if each.state is not MiniBatchState.TODO]
            self._remote.settled(settled, collected.aside)

    def _note_other(self, result: Result, found: Step) -> None:
        """What has come of a task that is no mini-batch: files were fetched, final files made, or taken away."""
        if result.reason in (NO_SPACE, STORAGE_UNAVAILABLE):
            self._pause(result.message or "the disk is full")
        elif result.reason:
            found.stop, found.traceback = result.message or result.reason, result.traceback
        elif result.id.startswith("f"):
            self.run.cut(self._remote.arrived(result))
        else:
            self._settled.add(result.id)
