"""The processes of one job under way: who runs, who is ready, who has died or hangs."""

import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.batch.collected import Collected
from penstock.batch.crew import LONGEST_START, Crew
from penstock.batch.job_run import JobRun
from penstock.batch.launch import Launch
from penstock.batch.transfers import MOVER
from penstock.batch.work_folder import WorkFolder
from penstock.engines.base import Process
from penstock_worker import contract
from penstock_worker.batch_contract import Order

_MOST_FAILED_STARTS = 3
_MOST_KILLED_STARTS = 12  # in a row: whoever kills may have other reasons, but memory may also be too little
_MOST_LATE_STARTS = 2  # one may have had to wait for something, such as a lock
_CLOCK_STEP = 1.0  # seconds
_PATIENCE_SECONDS = 3600.0  # with what is no mini-batch: cutting, finishing


@dataclass
class Look:
    """What a look at the processes has found. `stop` is why the job cannot go on."""

    living: list[str] = field(default_factory=list[str])  # that score, or are about to
    ready: int = 0
    stop: str = ""
    traceback: str = ""
    collected: list[Collected] = field(default_factory=list[Collected])


class JobWorkers:
    """`timeout` is how many seconds a worker may give no sign of life in a mini-batch."""

    def __init__(self, order: Order, crew: Crew, launch: Launch, run: JobRun, folder: WorkFolder, timeout: int) -> None:
        self._job = order.job
        self._level = order.logging_level
        self._crew = crew
        self._launch = launch
        self._run = run
        self._folder = folder
        self._timeout = timeout
        self._failed_starts = self._late_starts = 0
        self._killed: set[str] = set()
        self._clock_ahead = _clock_ahead()
        self._ready: set[str] = set()  # have loaded, which is not asked again while they live

    def look(self) -> Look:
        """Take back what the dead had, and kill who has given no sign of life for too long."""
        found = Look()
        members = self._crew.members(self._job)
        self._bury(members, found)
        found.living = [w for w, process in members.items() if process.running and w not in self._killed and w != MOVER]
        self._follow_clock(found.living)
        for worker in found.living:
            self._watch(worker, found)
        return found

    def succeeded(self) -> None:
        """A mini-batch is done: that workers can be started is out of the question."""
        self._failed_starts = self._late_starts = 0

    def have(self, living: Sequence[str], seats: int) -> list[str]:
        """Start workers up to `seats`, as long as there is something to do for one more; all that live then."""
        names = list(living)
        started = False
        for worker in (f"w{number}" for number in range(seats + len(names) + len(self._killed))):
            if len(names) >= seats or (names and self._run.idle and not started):
                break
            if worker in names or worker in self._killed:
                continue
            self._crew.start(self._job, worker, self._launch, self._level, seats)
            started = True
            names.append(worker)
        return sorted(names, key=number_of)

    def have_mover(self, uris: Callable[[], Iterable[str]]) -> None:
        """Start the process that moves files from and to `uris`, unless it runs."""
        process = self._crew.members(self._job).get(MOVER)
        if process is None or not process.running:
            self._crew.start_mover(self._job, MOVER, uris())

    def dismiss(self, workers: Sequence[str]) -> None:
        """End those of these workers that have nothing in hand."""
        for worker in workers:
            if not self._run.busy(worker):
                self._crew.stop(self._job, worker)

    def _bury(self, members: Mapping[str, Process], found: Look) -> None:
        """Take back what workers had that have ended, or that nothing is known of any more."""
        for worker in (*members, *(w for w in self._folder.workers() if w not in members)):
            process = members.get(worker)
            if process is not None and process.running:
                continue
            if process is not None:
                self._judge_start(worker, process, found)
            if self._folder.tasks(worker):
                timed_out = worker in self._killed
                why = f"no answer within {self._timeout} s" if timed_out else f"its worker {_ending(process)}"
                by_itself = timed_out or not _was_killed(process)
                found.collected.append(self._run.bury(worker, why, by_itself=by_itself))
            self._killed.discard(worker)
            self._ready.discard(worker)
            if process is not None:
                self._crew.forget(self._job, worker)

    def _judge_start(self, worker: str, process: Process, found: Look) -> None:
        """What cannot be loaded ends the job; whatever else keeps workers from being ready, after some tries."""
        report = self._folder.report(worker)
        if report is not None and report.phase == contract.FAILED:
            found.stop, found.traceback = report.message, report.traceback
        elif process.exit_code not in (0, None) and not _was_ready(report):
            self._failed_starts += 1
            killed = process.exit_code < 0
            if self._failed_starts >= (_MOST_KILLED_STARTS if killed else _MOST_FAILED_STARTS):
                found.stop = f"workers end before they are ready; the last one {_ending(process)}"
                found.traceback = self._crew.last_words(self._job, worker)

    def _follow_clock(self, workers: Iterable[str]) -> None:
        """Signs of life are told by the clock: patience begins anew once it was set, or the machine slept."""
        ahead, before = _clock_ahead(), self._clock_ahead
        self._clock_ahead = ahead
        if abs(ahead - before) > _CLOCK_STEP:
            for worker in workers:
                self._folder.touch(worker)

    def _watch(self, worker: str, found: Look) -> None:
        """Count who is ready, and kill who has given no sign of life for too long."""
        quiet = self._folder.quiet_seconds(worker)
        if worker not in self._ready and not _was_ready(self._folder.report(worker)):
            if quiet > LONGEST_START.total_seconds():
                self._kill(worker)
                self._judge_late_start(worker, found)
            return
        self._ready.add(worker)
        found.ready += 1
        begun = self._folder.begun(worker)
        patience = self._timeout if begun.startswith("m") else _PATIENCE_SECONDS
        if quiet > patience and begun in self._folder.tasks(worker):
            self._kill(worker)

    def _judge_late_start(self, worker: str, found: Look) -> None:
        self._late_starts += 1
        if self._late_starts >= _MOST_LATE_STARTS:
            minutes = LONGEST_START.total_seconds() / 60
            found.stop = (
                f"worker {worker} was not ready within {minutes:.0f} minutes, and neither was one before it: init(), "
                f"or the loading of the model, hangs; see logs/workers/{worker}.txt"
            )

    def _kill(self, worker: str) -> None:
        self._killed.add(worker)
        self._crew.stop(self._job, worker, at_once=True)


def _clock_ahead() -> float:
    """Seconds; changes with the clock alone."""
    return time.time() - time.monotonic()


def _was_ready(report: contract.Report | None) -> bool:
    return report is not None and report.phase == contract.READY


def number_of(worker: str) -> int:
    return int(worker[1:])


def _was_killed(process: Process | None) -> bool:
    """True if somebody else may have ended it: a user, the kernel, a platform that was restarted."""
    return process is None or process.exit_code in (None, 0, -signal.SIGKILL, -signal.SIGTERM)


def _ending(process: Process | None) -> str:
    code = None if process is None else process.exit_code
    if code is None:
        return "ended, nobody saw how"
    if code == -9:
        return "was killed (by a user, or because it had taken too much memory)"
    return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
