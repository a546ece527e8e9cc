"""What is written of a job: its status, the event of its end, its overview."""

import logging
from collections.abc import Sequence

from penstock.batch.job_progress import overview, progress
from penstock.batch.places import JobPlaces
from penstock.control.clock import Clock
from penstock.control.resources import PLATFORM, Resources
from penstock.domain.events import Event
from penstock.domain.job import JOB, Job, JobState, JobStatus
from penstock.domain.resource import Condition, Resource, Truth, with_condition
from penstock.store.ledger import LedgerFile, Totals

log = logging.getLogger(__name__)

JobResource = Resource[Job, JobStatus]

_REASONS = {JobState.COMPLETED: "JobCompleted", JobState.FAILED: "JobFailed", JobState.CANCELED: "JobCanceled"}


class JobStatuses:
    """Writes nothing where somebody else wrote first: the next step finds what is so then."""

    def __init__(self, resources: Resources, places: JobPlaces, clock: Clock) -> None:
        self._resources = resources
        self._places = places
        self._clock = clock

    def tell(self, job: JobResource, **fields: object) -> None:
        """Write what has changed of the status, if anything has."""
        begun = job.status.started_at is None and fields.get("state") not in (JobState.QUEUED, None)
        started = {"started_at": self._clock.now()} if begun else {}
        status = job.status.model_copy(update={**fields, **started, "observed_generation": job.generation})
        if status != job.status and self._resources.set_status(JOB, job, status) is not None:
            self._write_overview(job, status)

    def end(
        self,
        job: JobResource,
        state: JobState,
        message: str,
        found: tuple[Totals, Sequence[LedgerFile]] | None,
        **fields: object,
    ) -> None:
        """Write that the job is over, with an event. `found` is what its ledger has, and files that were set aside."""
        totals, aside = found or (None, ())
        now, reason = self._clock.now(), _REASONS[state]
        done = job.status.progress if totals is None else progress(totals, job.status, now)
        truth = Truth.TRUE if state is JobState.COMPLETED else Truth.FALSE
        ready = Condition(name="Ready", truth=truth, reason=reason, message=message, since=now)
        update = {
            "state": state,
            "message": message,
            "progress": done.model_copy(update={"seconds_left": None}),
            "workers": 0,
            "ended_at": now,
            "attempt": job.spec.attempt,
            "observed_generation": job.generation,
            "conditions": with_condition(job.status.conditions, ready),
        }
        status = job.status.model_copy(update={**update, **fields})
        event = Event(
            at=now,
            kind=JOB.name,
            name=job.name,
            generation=job.generation,
            reason=reason,
            message=f"job {job.name!r} {state.lower()}" + (f": {message}" if message else ""),
            actor=PLATFORM,
        )
        if self._resources.set_status(JOB, job, status, event) is not None:
            self._write_overview(job, status, aside)

    def _write_overview(self, job: JobResource, status: JobStatus, aside: Sequence[LedgerFile] = ()) -> None:
        folder = self._places.logs(job.name)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            text = overview(job.name, job.spec, status, self._clock.now(), aside)
            (folder / "job_progress_overview.txt").write_text(text, encoding="utf-8")
        except OSError as err:  # a full disk must not keep a job from its end
            log.warning("the overview of a job was not written", extra={"job": job.name, "error": str(err)})
