"""One job that is under way: its workers, its mini-batches, its final files. Each call is one step, safe to repeat."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.batch.crew import Crew
from penstock.batch.job_input import JobInput
from penstock.batch.job_queue import Rules
from penstock.batch.job_run import Collected, JobRun, parts_of_mini_batch
from penstock.batch.launch import Launch
from penstock.batch.places import JobPlaces
from penstock.batch.planning import by_count, file_of, is_cut, segments_of, small_groups
from penstock.batch.work_folder import WorkFolder
from penstock.domain.job import Job
from penstock.engines.base import Process
from penstock.store.ledger import FileState, Ledger, LedgerFile, MiniBatch, MiniBatchState
from penstock_worker import contract
from penstock_worker.batch_contract import FINISH, ManifestLine, Order, Result, Task

_MOST_FAILED_STARTS = 3
_PATIENCE_SECONDS = 3600.0  # with what is no mini-batch: cutting, finishing
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
    moved: bool = False  # something has come
    finished: Result | None = None
    started: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, kw_only=True)
class JobParts:
    """What jobs work with."""

    ledger: Ledger
    crew: Crew
    input: JobInput
    places: JobPlaces


class ActiveJob:
    def __init__(self, name: str, spec: Job, order: Order, parts: JobParts, launch: Launch) -> None:
        self.name = name
        self.spec = spec
        self.order = order
        self.folder = WorkFolder(parts.places.work(name))
        self._ledger = parts.ledger
        self._crew = parts.crew
        self._input = parts.input
        self._launch = launch
        self._rules = Rules(
            attempt=spec.attempt,
            max_retries=spec.deployment.settings.retry_settings.max_retries,
            dry_run=spec.dry_run,
        )
        self.folder.make(order)
        self.run = JobRun(name, self._rules, order, parts.ledger, self.folder)
        self._failed_starts = 0
        self._killed: set[str] = set()
        self._paused_until = 0.0
        self._told_at = 0.0
        self.waiting = ""

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
        todo = self._ledger.totals(self.name).mini_batches_by_state.get(MiniBatchState.TODO, 0)
        if self.spec.dry_run:
            todo = min(todo, 1 - self._ledger.totals(self.name).mini_batches_by_state.get(MiniBatchState.DONE, 0))
        if todo > 0:
            self.run.look_again()
        return not left and todo <= 0

    def _plan_files(self) -> int:
        """Have every file that is not planned yet cut into mini-batches; returns how many workers must cut."""
        listed = self._ledger.files(self.name, state=FileState.LISTED)
        if self.spec.dry_run:
            return self._plan_dry_run(listed)
        paths = {file.number: str(self._input.path(self.name, file)) for file in listed}
        large = [] if self._launch.is_script else [file for file in listed if is_cut(file)]
        numbers = {file.number for file in large}
        small = [file for file in listed if file.number not in numbers]
        if small:
            if self._launch.is_script:
                batches = by_count(small, paths, self.order.mini_batch_files)
            else:
                batches = small_groups(small, paths, self.order)
            self._ledger.cut(self.name, [file.number for file in small], batches)
        self.run.cut(file_of(file, paths[file.number]) for file in large)
        return len(large)

    @property
    def finishing(self) -> bool:
        """True while a worker makes the final files."""
        return self.run.holds(FINISHING)

    def step(self, seats: int) -> Step:
        """Look at the workers and their results, have `seats` workers, and give them what there is to do."""
        found = Step()
        members = self._crew.members(self.name)
        self._note(self.run.collect(), found)
        self._bury(members, found)
        if found.stop:
            return found
        living = [worker for worker, process in members.items() if process.running and worker not in self._killed]
        self._look(living, found)
        paused = time.monotonic() < self._paused_until
        found.waiting = self.waiting if paused else ""
        if not paused:
            living = self._fill(living, seats, found)
            self.run.hand_out(sorted(living, key=_number)[:seats])
        for worker in sorted(living, key=_number)[seats:]:  # preempted, between two mini-batches
            if not self.run.busy(worker):
                self._crew.stop(self.name, worker)
        found.running = len(living)
        return found

    def finish(self, seats: int) -> Step:
        """Have one worker make the final files."""
        found = Step()
        members = self._crew.members(self.name)
        collected = self.run.collect()
        self._note(collected, found)
        self._bury(members, found)
        results = [each for each in collected.finished if each.id == FINISHING]
        if results:
            found.finished = results[-1]
            return found
        living = [worker for worker, process in members.items() if process.running and worker not in self._killed]
        self._look(living, found)
        if found.stop or time.monotonic() < self._paused_until:
            found.waiting = self.waiting
            return found
        living = self._fill(living, min(1, seats), found)
        if living and not any(FINISHING in self.folder.tasks(worker) for worker in living):
            manifest = self.folder.write_manifest(self._manifest())
            task = Task(id=FINISHING, kind=FINISH, attempt=self.spec.attempt, manifest=str(manifest))
            self.run.give(sorted(living, key=_number)[0], task)
        found.running = len(living)
        return found

    def pause(self, why: str) -> None:
        """Hand out nothing for a while."""
        self.waiting = why
        self._paused_until = time.monotonic() + _PAUSE_SECONDS

    def _plan_dry_run(self, listed: Sequence[LedgerFile]) -> int:
        """In a dry run, the first file alone is read, and always cut: that tells how many rows it has."""
        first = [file for file in listed if file.number == 0]
        paths = {file.number: str(self._input.path(self.name, file)) for file in first}
        if self._launch.is_script and first:
            self._ledger.cut(self.name, [0], by_count(first, paths, 1))
            return 0
        self.run.cut(file_of(file, paths[file.number]) for file in first)
        return len(first)

    def _note(self, collected: Collected, found: Step) -> None:
        found.moved = bool(collected.outcomes)
        found.stop = found.stop or collected.stop
        if collected.waiting:
            self.pause(collected.waiting)
        for error in collected.errors:
            found.traceback = error.traceback or found.traceback
        if collected.outcomes:
            self._failed_starts = 0

    def _bury(self, members: Mapping[str, Process], found: Step) -> None:
        """Take back what workers had that have ended, or that nothing is known of any more."""
        for worker in (*members, *(w for w in self.folder.workers() if w not in members)):
            process = members.get(worker)
            if process is not None and process.running:
                continue
            if process is not None:
                self._judge_start(worker, process, found)
            if self.folder.tasks(worker):
                timed_out = worker in self._killed
                limit = self.spec.deployment.settings.retry_settings.timeout
                why = f"no answer within {limit} s" if timed_out else f"its worker {_ending(process)}"
                self._note(self.run.bury(worker, why, timed_out=timed_out), found)
            self._killed.discard(worker)
            if process is not None:
                self._crew.forget(self.name, worker)

    def _judge_start(self, worker: str, process: Process, found: Step) -> None:
        """What cannot be loaded ends the job; whatever else keeps workers from being ready, after some tries."""
        report = self.folder.report(worker)
        if report is not None and report.phase == contract.FAILED:
            found.stop, found.traceback = report.message, report.traceback
        elif process.exit_code not in (0, None) and not _was_ready(report):
            self._failed_starts += 1
            if self._failed_starts >= _MOST_FAILED_STARTS:
                found.stop = f"workers end before they are ready; the last one {_ending(process)}"

    def _look(self, living: Sequence[str], found: Step) -> None:
        """Count who is ready, and kill who has given no sign of life for too long."""
        limit = self.spec.deployment.settings.retry_settings.timeout
        for worker in living:
            if not _was_ready(self.folder.report(worker)):
                continue
            found.ready += 1
            begun = self.folder.begun(worker)
            patience = limit if begun.startswith("m") else _PATIENCE_SECONDS
            if begun in self.folder.tasks(worker) and self.folder.quiet_seconds(worker) > patience:
                self._killed.add(worker)
                self._crew.stop(self.name, worker, at_once=True)

    def _fill(self, living: Sequence[str], seats: int, found: Step) -> list[str]:
        """Start workers up to `seats`, as long as there is something to do for them."""
        names = list(living)
        free = (f"w{number}" for number in range(seats + len(names) + len(self._killed)))
        for worker in free:
            if len(names) >= seats or (names and self.run.idle and not found.started):
                break
            if worker in names or worker in self._killed:
                continue
            self._crew.start(self.name, worker, self._launch, self.order.logging_level, seats)
            found.started.append(worker)
            names.append(worker)
        return names

    def _manifest(self) -> Iterable[ManifestLine]:
        """Of all parts, in the order of the input."""
        names = {file.number: file.name for file in self._ledger.files(self.name)}
        after = None
        while chunk := self._ledger.mini_batches(self.name, state=MiniBatchState.DONE, after=after, limit=2000):
            for mini_batch in chunk:
                yield from _lines(mini_batch, names)
            after = chunk[-1].id


def _lines(mini_batch: MiniBatch, names: Mapping[int, str]) -> Iterable[ManifestLine]:
    segments = segments_of(mini_batch)
    for part in parts_of_mini_batch(mini_batch):
        only = len(segments) == 1
        file = segments[max(0, part.segment)].file if part.segment >= 0 or only else None
        yield ManifestLine(part.name, part.kind, names.get(file.number, "") if file else "", part.rows)


def _was_ready(report: contract.Report | None) -> bool:
    return report is not None and report.phase == contract.READY


def _number(worker: str) -> int:
    return int(worker[1:])


def _ending(process: Process | None) -> str:
    code = None if process is None else process.exit_code
    if code is None:
        return "ended, nobody saw how"
    if code == -9:
        return "was killed (by a user, or because it had taken too much memory)"
    return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
