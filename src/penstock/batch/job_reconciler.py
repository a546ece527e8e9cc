"""Brings a job to its end, step by step; a control plane that starts anew goes on where the ledger says.

The decisions are in `scheduling.py`, `planning.py` and `job_progress.py`; the steps in `active_job.py`.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from penstock import durable
from penstock.batch.active_job import ActiveJob, JobParts, Step
from penstock.batch.container_inputs import check_inputs, reader_of
from penstock.batch.job_progress import dry_run_message, estimate, hopeless, over_threshold, progress, verdict
from penstock.batch.job_statuses import JobResource, JobStatuses
from penstock.batch.launch import Launch, Launches
from penstock.batch.orders import order_of
from penstock.batch.seating import Seating
from penstock.control.clock import Clock
from penstock.control.resources import Resources
from penstock.domain.errors import Code, PenstockError
from penstock.domain.job import JOB, SCORE, JobState, JobStatus
from penstock.domain.resource import Key
from penstock.preparation.background import Background
from penstock.preparation.building import Failure, Waiting
from penstock.store.ledger import FileState, LedgerFile, MiniBatchState, Totals
from penstock_worker import batch_contract
from penstock_worker.batch_contract import Order

_SOON = timedelta(milliseconds=40)
_SLOWLY = timedelta(milliseconds=500)
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
        self._launches = launches
        self._seating = seating
        self._clock = clock
        self._statuses = JobStatuses(resources, parts.places, clock)
        self._listings: Background[Sequence[LedgerFile]] = Background("listing")
        self._active: dict[str, ActiveJob] = {}

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
        self._active.pop(name, None)
        self._seating.leave(name)
        if not self._crew.disband(name):
            return _SOON
        if job is None or job.status.state is JobState.COMPLETED:
            durable.remove_tree(self._places.work(name))
            durable.remove_tree(self._places.inputs(name))
        return None

    def _cancel(self, job: JobResource) -> timedelta | None:
        self._active.pop(job.name, None)
        self._seating.leave(job.name)
        if not self._crew.disband(job.name):
            self._statuses.tell(job, state=JobState.CANCEL_REQUESTED)
            return _SOON
        self._end(job, JobState.CANCELED, "canceled; `penstock job resume` goes on where it was")
        return None

    def _begin(self, job: JobResource) -> timedelta:
        """A first or another attempt: what has failed before is tried again."""
        if self._ledger.opened(job.name):
            self._ledger.reopen(job.name)
        status = JobStatus(
            state=JobState.QUEUED,
            attempt=job.spec.attempt,
            progress=job.status.progress,
            observed_generation=job.generation,
        )
        self._resources.set_status(JOB, job, status)
        return timedelta(0)

    def _advance(self, job: JobResource) -> timedelta | None:
        seats = self._seating.seats(job)
        if not seats and not self._crew.members(job.name):
            self._statuses.tell(job, state=JobState.QUEUED, message=self._seating.obstacle(job), workers=0)
            return _SLOWLY
        try:
            active = self._active.get(job.name)
            return self._prepare(job) if active is None else self._go_on(job, active, seats)
        except OSError as err:
            where = f": {err.filename}" if err.filename else ""
            self._statuses.tell(job, message=f"{err.strerror}{where}; it goes on when that is mended")
            raise

    def _prepare(self, job: JobResource) -> timedelta | None:
        """Have everything that a worker needs, and the input in the ledger."""
        name = f"{job.spec.endpoint_name}/{job.spec.deployment_name}"
        launch = self._launches.prepare(name, job.spec.deployment, lambda: self._resources.enqueue(job.key))
        if isinstance(launch, Waiting):
            self._seating.pass_over(job.name)
            self._statuses.tell(job, state=JobState.PREPARING, message=launch.message)
            return _SLOWLY
        if isinstance(launch, Failure):
            return self._fail(job, launch.message, launch.detail)
        self._seating.contend(job.name)
        if not self._ledger.opened(job.name):
            return self._open(job, launch)
        self._launches.use(launch)
        if launch.image is not None:
            launch = replace(launch, reads=self._parts.input.reads(job.name, job.spec))
        self._active[job.name] = self._activated(job, launch)
        return timedelta(0)

    def _go_on(self, job: JobResource, active: ActiveJob, seats: int) -> timedelta | None:
        if active.finishing or (active.run.drained and active.plan()):
            return self._finish(job, active)
        step = active.step(seats, self._seating.room(self._crew.workers))
        if step.stop:
            return self._fail(job, step.stop, step.traceback or None)
        return self._report(job, active, step)

    def _open(self, job: JobResource, launch: Launch) -> timedelta | None:
        """List the input, and write it down."""
        self._statuses.tell(job, state=JobState.STARTING, message="the input is being listed")
        done: Callable[[], None] = lambda: self._resources.enqueue(job.key)  # noqa: E731
        files = self._listings.outcome(job.name, lambda: self._listed(job, launch), done, patience=0.2)
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

    def _listed(self, job: JobResource, launch: Launch) -> Sequence[LedgerFile]:
        self._parts.input.check_output(job.name, job.spec)
        files = self._parts.input.listed(job.name, job.spec)
        if launch.image is not None:
            reads = self._parts.input.reads(job.name, job.spec)
            check_inputs(files, reads, reader_of(launch.image.user, os.getuid()))
        return files

    def _activated(self, job: JobResource, launch: Launch) -> ActiveJob:
        order = batch_contract.read(self._places.work(job.name) / "order.json", Order) or self._order(job, launch)
        Path(order.output_path).mkdir(mode=0o700, parents=True, exist_ok=True)
        (self._places.logs(job.name) / "user").mkdir(mode=0o700, parents=True, exist_ok=True)
        return ActiveJob(job.name, job.spec, order, self._parts, launch)

    def _order(self, job: JobResource, launch: Launch) -> Order:
        folder = self._parts.input.output_folder(job.name, job.spec, apart=launch.image is not None)
        return order_of(job.name, job.spec, self._places, folder)

    def _report(self, job: JobResource, active: ActiveJob, step: Step) -> timedelta | None:
        """Say how far it is, about once a second, and whether it is to end."""
        now = self._clock.now()
        status = job.status
        if step.ready and status.scoring_since is None:
            self._statuses.tell(job, state=JobState.RUNNING, message="", scoring_since=now, workers=step.running)
        elif active.is_due(_REPORT_EVERY) or step.waiting != status.message:
            totals = self._ledger.totals(job.name)
            over = over_threshold(job.spec, totals) or hopeless(job.spec, totals)
            if over:
                return self._fail(job, over, active.last_failure())
            state = JobState.RUNNING if status.scoring_since is not None else JobState.STARTING
            done = progress(totals, status, now)
            self._statuses.tell(job, state=state, message=step.waiting, progress=done, workers=step.running)
        return _SOON

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
        if step.waiting != job.status.message:
            self._statuses.tell(job, message=step.waiting)
        return _SOON

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
