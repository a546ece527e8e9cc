"""Brings a job to its end, step by step; a control plane that starts anew goes on where the ledger says.

The decisions are in `scheduling.py`, `planning.py` and `job_progress.py`; the steps in `active_job.py`.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from penstock.batch.active_job import ActiveJob, JobParts, Step
from penstock.batch.job_progress import dry_run_message, estimate, hopeless, over_threshold, progress, verdict
from penstock.batch.job_retry import unanswered
from penstock.batch.job_start import activated, listed
from penstock.batch.job_statuses import JobResource, JobStatuses
from penstock.batch.launch import Launch, Launches
from penstock.batch.leftovers import expired_message
from penstock.batch.seating import Seating
from penstock.batch.withdrawal import Withdrawal
from penstock.batch.work_folder import WorkFolder
from penstock.control.clock import Clock
from penstock.control.resources import Resources
from penstock.domain.errors import Code, PenstockError
from penstock.domain.job import JOB, SCORE, JobProgress, JobState, JobStatus, begun
from penstock.domain.resource import Key
from penstock.preparation.background import Background
from penstock.preparation.building import Failure, Waiting
from penstock.store.ledger import FileState, LedgerFile, MiniBatchState, Totals

log = logging.getLogger(__name__)

_AT_ONCE = timedelta(milliseconds=10)  # for what may take no longer: somebody waits for the end of a small job
_SOON = timedelta(milliseconds=40)
_LONGEST = timedelta(milliseconds=250)  # between two looks at workers who have enough to do
_LASTING_SHARE = 1 / 3  # of the time for which they have: mini-batches are not all alike
_SLOWLY = timedelta(milliseconds=500)
_SELDOM = timedelta(seconds=5)  # for what is told when it comes, and missed only if a compute was changed meanwhile
_DAILY = timedelta(days=1)
_REPORT_EVERY = 1.0  # seconds


class JobReconciler:
    def __init__(
        self, resources: Resources, parts: JobParts, launches: Launches, seating: Seating, clock: Clock
    ) -> None:
        self._resources = resources
        self._parts = parts
        self._ledger = parts.ledger
        self._crew = parts.crew
        self._places = parts.places
        self._leftovers = parts.leftovers
        self._launches = launches
        self._seating = seating
        self._clock = clock
        self._statuses = JobStatuses(resources, parts.places, clock)
        self._listings: Background[Sequence[LedgerFile]] = Background("listing")
        self._active: dict[str, ActiveJob] = {}
        self._withdrawal = Withdrawal(parts.crew, parts.places, clock)
        self._beginning = threading.Lock()  # one job at a time looks who writes where

    def reconcile(self, key: Key) -> timedelta | None:
        job = self._resources.find(JOB, key.name)
        if job is None or (job.status.state.ended and job.status.attempt >= job.spec.attempt):
            return self._tidy(key.name, job)
        if job.spec.canceled:
            return self._cancel(job)
        if job.status.attempt < job.spec.attempt:
            return self._begin(job)
        return self._advance(job)

    def close(self) -> None:
        self._listings.close()

    def _tidy(self, name: str, job: JobResource | None) -> timedelta | None:
        """Nothing of a job that is over goes on. Of a completed one only logs and outputs are kept."""
        self._leave(name)
        self._withdrawal.forget(name)
        if not self._crew.disband(name):
            return _SOON
        if job is None or job.status.state is JobState.COMPLETED:
            self._leftovers.remove(name, ledger=False)
            return None
        try:
            self._leftovers.take_back(name)
        except OSError as err:
            log.warning("output of a job could not be taken back", extra={"job": name, "error": str(err)})
        return self._expire(job)

    def _expire(self, job: JobResource) -> timedelta | None:
        """Remove what a job can be resumed from that nobody has resumed for long, or that was archived."""
        if job.status.expired:
            self._leftovers.remove(job.name, ledger=True)
            return None
        left = self._leftovers.left(job, self._clock.now())
        if left is None or left > timedelta(0):
            return None if left is None else min(left, _DAILY)
        status = job.status.model_copy(update={"expired": True, "message": expired_message(job.status)})
        self._resources.set_status(JOB, job, status)  # or somebody resumes it at this moment
        return timedelta(0)

    def _cancel(self, job: JobResource) -> timedelta | None:
        self._leave(job.name)
        left = self._withdrawn(job)
        if left is None or not self._crew.disband(job.name):
            self._statuses.tell(job, state=JobState.CANCEL_REQUESTED, message="", workers=0)
            return _SOON
        message = f"canceled; `penstock job resume` goes on where it was. {left}".rstrip(". ")
        try:
            self._leftovers.take_back(job.name)
        except OSError as err:
            message = f"{message}. Files of it may be left in the output: {err.strerror}: {err.filename}"
        self._end(job, JobState.CANCELED, message)
        return None

    def _withdrawn(self, job: JobResource) -> str | None:
        """What is left of the job on another machine; None while that is being taken back, or storing ends."""
        destination = self._parts.input.destination(job.spec, apart=True)
        if destination is None:
            return ""
        if not self._withdrawal.going_on(job.name) and not self._crew.disband(job.name):
            return None
        return self._withdrawal.step(job.name, destination, job.spec.attempt)

    def _leave(self, name: str) -> None:
        """The job does not go on: whoever waited for its seats looks again."""
        self._active.pop(name, None)
        self._listings.retry(name)
        self._wake(self._seating.leave(name))

    def _wake(self, jobs: Iterable[str]) -> None:
        for name in jobs:
            self._resources.enqueue(Key(JOB.name, name))

    def _begin(self, job: JobResource) -> timedelta:
        """A first or another attempt: what has failed before is tried again. Nobody goes on with what an earlier one
        was about."""
        if not self._crew.disband(job.name):
            return _SOON
        WorkFolder(self._places.work(job.name)).clear_tasks()
        if job.status.expired:
            self._leftovers.remove(job.name, ledger=True)
        if self._ledger.opened(job.name):
            self._ledger.reopen(job.name, *unanswered(self._ledger, job.name))
        status = JobStatus(
            state=JobState.QUEUED,
            attempt=job.spec.attempt,
            progress=JobProgress() if job.status.expired else job.status.progress,
            observed_generation=job.generation,
        )
        with self._beginning:
            try:
                self._check_unclaimed(job)
            except PenstockError as err:
                self._fail(job, err.message, None)
            else:
                self._resources.set_status(JOB, job, status)
        return timedelta(0)

    def _check_unclaimed(self, job: JobResource) -> None:
        """Raises `conflict` if a job that is under way writes to the same place. Two invocations at once have both
        found nothing; which of them is under way first is told by the statuses, that only one writer has."""
        if job.spec.output_path is not None:
            others = (other for other in self._resources.list(JOB) if begun(other.spec, other.status))
            self._parts.input.check_unclaimed(job.name, job.spec, others)

    def _advance(self, job: JobResource) -> timedelta | None:
        seats = self._seating.seats(job)
        if not seats and not self._crew.members(job.name):
            self._statuses.tell(job, state=JobState.QUEUED, message=self._seating.obstacle(job), workers=0)
            return _SELDOM
        try:
            active = self._active.get(job.name)
            if active is None or active.spec.attempt != job.spec.attempt:  # another control plane has led since
                return self._prepare(job)
            return self._go_on(job, active, seats)
        except (OSError, PenstockError) as err:
            self._active.pop(job.name, None)  # it may know the half of a step: ledger and work folder know what is so
            self._statuses.tell(job, message=f"{_sentence(err)}; it goes on when that is mended")
            raise

    def _prepare(self, job: JobResource) -> timedelta | None:
        """Have everything that a worker needs, and the input in the ledger."""
        name = f"{job.spec.endpoint_name}/{job.spec.deployment_name}"
        launch = self._launches.prepare(name, job.spec.deployment, lambda: self._resources.enqueue(job.key))
        if isinstance(launch, Waiting):
            self._wake(self._seating.pass_over(job.name))
            self._statuses.tell(job, state=JobState.PREPARING, message=launch.message)
            return _SLOWLY
        if isinstance(launch, Failure):
            return self._fail(job, launch.message, launch.detail)
        self._seating.contend(job.name)
        if not self._ledger.opened(job.name):
            again = self._open(job, launch)
            if not self._ledger.opened(job.name):
                return again
        self._launches.use(launch)
        self._active[job.name] = activated(self._parts, job, launch)
        return timedelta(0)

    def _go_on(self, job: JobResource, active: ActiveJob, seats: int) -> timedelta | None:
        if active.finishing:
            return self._finish(job, active)
        step = active.step(seats, self._seating.room(self._crew.workers))
        if step.stop:
            return self._fail(job, step.stop, step.traceback or None)
        if step.settled and (job.status.scoring_since is not None or not step.ready):
            return self._finish(job, active)
        again = self._report(job, active, step)
        return timedelta(0) if step.settled else again

    def _open(self, job: JobResource, launch: Launch) -> timedelta | None:
        """List the input, and write it down."""
        self._statuses.tell(job, state=JobState.STARTING, message="the input is being listed")
        done: Callable[[], None] = lambda: self._resources.enqueue(job.key)  # noqa: E731
        files = self._listings.outcome(job.name, lambda: listed(self._parts, job, launch), done, patience=0.2)
        if files is None:
            return _SLOWLY
        if isinstance(files, PenstockError):
            if files.code is Code.UNAVAILABLE:
                self._statuses.tell(job, message=files.message)
                return _SLOWLY
            self._listings.retry(job.name)
            return self._fail(job, files.message, None)
        self._ledger.open(job.name, files)
        return timedelta(0)

    def _report(self, job: JobResource, active: ActiveJob, step: Step) -> timedelta | None:
        """Say how far it is, about once a second, and whether it is to end."""
        now = self._clock.now()
        status = job.status
        if step.ready and status.scoring_since is None:
            totals = self._ledger.totals(job.name)
            before = {"rows_before": totals.rows_in, "bytes_before": totals.bytes_done}
            fields = {**before, "scoring_since": now, "workers": step.running}
            self._statuses.tell(job, state=JobState.RUNNING, message="", **fields)
        elif active.is_due(_REPORT_EVERY) or step.waiting != status.message:
            totals = self._ledger.totals(job.name)
            over = over_threshold(job.spec, totals) or hopeless(job.spec, totals)
            if over:
                return self._fail(job, over, active.last_failure())
            state = JobState.RUNNING if status.scoring_since is not None else JobState.STARTING
            done = progress(totals, status, now)
            self._statuses.tell(job, state=state, message=step.waiting, progress=done, workers=step.running)
        return max(_SOON, min(_LASTING_SHARE * timedelta(seconds=step.lasting), _LONGEST))

    def _finish(self, job: JobResource, active: ActiveJob) -> timedelta | None:
        """All mini-batches are settled: make the final files, and end."""
        totals = self._ledger.totals(job.name)
        found = verdict(job.spec, totals)
        done = progress(totals, job.status, self._clock.now())
        if not found.succeeded:
            return self._fail(job, found.message, active.last_failure())
        if job.status.state is not JobState.FINALIZING:
            self._statuses.tell(job, state=JobState.FINALIZING, message="", progress=done, workers=1)
            return timedelta(0)
        if not totals.mini_batches_by_state.get(MiniBatchState.DONE, 0):
            return self._complete(job, active, found.message)
        step = active.finish(self._seating.room(self._crew.workers))
        if step.stop:
            return self._fail(job, step.stop, step.traceback or None)
        if step.done:
            return self._complete(job, active, found.message)
        if active.storing:
            self._wake(self._seating.pass_over(job.name))
        if step.waiting != job.status.message:
            self._statuses.tell(job, message=step.waiting)
        return max(_AT_ONCE, min(timedelta(seconds=active.run.waited), _SOON))

    def _complete(self, job: JobResource, active: ActiveJob, message: str) -> None:
        fields: dict[str, object] = {"outputs": {SCORE: job.spec.output_path or active.order.output_folder}}
        if job.spec.dry_run:
            trial = active.trial()
            foretold = estimate(trial, job.spec.deployment.settings.workers)
            told = dry_run_message(trial, foretold)
            message = f"{told}; {message}" if message else told
            fields["estimate"] = foretold
        self._end(job, JobState.COMPLETED, message, **fields)

    def _fail(self, job: JobResource, message: str, detail: str | None) -> None:
        self._active.pop(job.name, None)
        self._end(job, JobState.FAILED, message, failure=detail)

    def _end(self, job: JobResource, state: JobState, message: str, **fields: object) -> None:
        """Write the end of a job; `_tidy` is next."""
        found = self._found(job.name) if self._ledger.opened(job.name) else None
        self._statuses.end(job, state, message, found, **fields)
        self._resources.enqueue(job.key)

    def _found(self, name: str) -> tuple[Totals, Sequence[LedgerFile]]:
        """What the job has come to, and the files that were set aside or failed by themselves, by number."""
        aside = [f for state in (FileState.SKIPPED, FileState.FAILED) for f in self._ledger.files(name, state=state)]
        return self._ledger.totals(name), sorted(aside, key=lambda file: file.number)


def _sentence(err: OSError | PenstockError) -> str:
    if isinstance(err, PenstockError):
        return err.message
    return f"{err.strerror}: {err.filename}" if err.filename else str(err.strerror)
