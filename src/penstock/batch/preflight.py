"""Before a batch deployment is ready, one worker loads its model or script: what cannot be loaded never gets a job."""

from datetime import datetime, timedelta

from penstock import durable
from penstock.batch.containers import unready_image
from penstock.batch.crew import LONGEST_START, PREFLIGHT, Crew
from penstock.batch.launch import Launch
from penstock.batch.orders import order_of_preflight
from penstock.batch.places import JobPlaces
from penstock.batch.work_folder import WorkFolder
from penstock.control.clock import Clock
from penstock.engines.base import Process
from penstock.preparation.building import Failure, Waiting
from penstock_worker import contract

_WORKER = "w0"
_LONGEST_REHEARSAL = timedelta(seconds=30)  # that a loaded worker may take to find out how later ones start faster
_STEP = "Preflight"
_ENDED = "LoadFailed"


class Preflight:
    """A worker without tasks, in a work folder of its own that no job can have: names of jobs do not begin with `_`."""

    def __init__(self, crew: Crew, places: JobPlaces, clock: Clock) -> None:
        self._crew = crew
        self._places = places
        self._clock = clock
        self._begun: dict[str, str] = {}  # deployment -> revision that is being tried
        self._ready_since: dict[str, datetime] = {}  # deployments whose worker has loaded, and is not at its end yet

    def outcome(self, name: str, launch: Launch) -> Failure | Waiting | None:
        """One step; None once the deployment has been loaded."""
        job, revision = _job(name), launch.ingredients.revision()
        process = self._crew.members(job).get(_WORKER)
        if self._begun.get(name) != revision:
            if not self._crew.disband(job, at_once=True):
                return _waiting()
            self._start(name, job, launch)
            self._begun[name] = revision
            return _waiting()
        report = WorkFolder(self._places.work(job)).report(_WORKER)
        if report is not None and report.phase == contract.READY:
            if process is not None and process.running and not self._dawdles(name):
                return _waiting()
            self._end(name)
            return None
        failure = _failure(revision, report, process, self._overdue(process))
        if failure is not None and failure.reason == _ENDED and launch.image is not None:
            failure = unready_image(failure, process, self._places.logs(job) / "workers" / f"{_WORKER}.txt")
        if failure is None:
            return _waiting()
        self._end(name)
        return failure

    def _start(self, name: str, job: str, launch: Launch) -> None:
        folder = WorkFolder(self._places.work(job))
        folder.remove()
        folder.make(order_of_preflight(name, self._places, job))
        self._crew.start(job, _WORKER, launch, "info", 1, hurried=True)

    def _end(self, name: str) -> None:
        job = _job(name)
        self._begun.pop(name, None)
        self._ready_since.pop(name, None)
        self._crew.disband(job, at_once=True)
        durable.remove_tree(self._places.folder(job))

    def _dawdles(self, name: str) -> bool:
        """True if a loaded worker takes too long for what does not decide about its deployment."""
        now = self._clock.now()
        return now - self._ready_since.setdefault(name, now) > _LONGEST_REHEARSAL

    def _overdue(self, process: Process | None) -> bool:
        return process is not None and self._clock.now() - process.started_at > LONGEST_START


def _failure(revision: str, report: contract.Report | None, process: Process | None, overdue: bool) -> Failure | None:
    """Why the deployment cannot be loaded; None while that is open."""
    if report is not None and report.phase == contract.FAILED:
        return Failure(
            revision=revision,
            step=_STEP,
            reason=report.reason,
            message=report.message,
            detail=report.traceback or None,
        )
    if overdue:
        message = f"it was not loaded within {LONGEST_START.total_seconds() / 60:.0f} minutes"
        return Failure(revision=revision, step=_STEP, reason="LoadTimedOut", message=message)
    if process is None or not process.running:
        code = process.exit_code if process is not None else None
        message = f"the process that was to load it has ended (exit code {'not known' if code is None else code})"
        return Failure(revision=revision, step=_STEP, reason=_ENDED, message=message)
    return None


def _waiting() -> Waiting:
    return Waiting(step=_STEP, reason="Loading", message="it is being loaded, for a first time")


def _job(name: str) -> str:
    return f"{PREFLIGHT}." + name.replace("/", ".")
