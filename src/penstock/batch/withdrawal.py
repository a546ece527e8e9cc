"""Takes back what the mover of a job has stored on another machine, when the job is canceled meanwhile."""

from datetime import datetime, timedelta

from penstock.batch.crew import Crew
from penstock.batch.places import JobPlaces
from penstock.batch.transfers import MOVER, STORING, WITHDRAWING, withdrawing
from penstock.batch.work_folder import WorkFolder
from penstock.control.clock import Clock
from penstock_worker.batch_contract import stored_mark

_LONGEST = timedelta(seconds=60)  # for another machine to answer: whoever cancels does not wait for ever


class Withdrawal:
    def __init__(self, crew: Crew, places: JobPlaces, clock: Clock) -> None:
        self._crew = crew
        self._places = places
        self._clock = clock
        self._since: dict[str, datetime] = {}
        self._outcomes: dict[str, str] = {}

    def going_on(self, job: str) -> bool:
        """True while the mover is at it, and must not be ended."""
        return job in self._since and job not in self._outcomes

    def forget(self, job: str) -> None:
        self._since.pop(job, None)
        self._outcomes.pop(job, None)

    def step(self, job: str, uri: str, attempt: int) -> str | None:
        """None: look again. Then what is to be said of what is left at `uri`, empty if nothing is."""
        if job not in self._outcomes:
            found = self._outcome(job, uri, attempt)
            if found is None:
                return None
            self._outcomes[job] = found
        return self._outcomes[job]

    def _outcome(self, job: str, uri: str, attempt: int) -> str | None:
        folder = WorkFolder(self._places.work(job))
        if not stored_mark(folder.path, STORING).exists():
            return ""
        since = self._since.setdefault(job, self._clock.now())
        results = (result for _, result in folder.results() if result is not None)
        mine = next((r for r in results if (r.id, r.attempt) == (WITHDRAWING, attempt)), None)
        if mine is not None or self._clock.now() - since > _LONGEST:
            why = mine.message if mine is not None else "it did not answer in time"
            return f"Files of it may be left at {uri}: {why}"
        process = self._crew.members(job).get(MOVER)
        if process is None or not process.running:
            self._crew.start_mover(job, MOVER, [uri])
            folder.give(MOVER, withdrawing(uri, attempt))
        return None
