"""Which jobs contend for the machine now, and how many workers each may have."""

import threading
from collections.abc import Mapping

from penstock.batch.scheduling import Contender, obstacle, seats
from penstock.control.resources import Resources
from penstock.domain.compute import COMPUTE, Compute, compute_name
from penstock.domain.job import Job, JobStatus
from penstock.domain.resource import Resource


class Seating:
    """Knows the jobs that ask; a control plane that starts anew learns of them as each is looked at."""

    def __init__(self, resources: Resources, machine: int) -> None:
        self._resources = resources
        self._machine = machine
        self._lock = threading.Lock()
        self._contenders: dict[str, Contender] = {}
        self._passed_over: set[str] = set()

    def seats(self, job: Resource[Job, JobStatus]) -> int:
        """How many workers the job may have now; 0: it waits for others."""
        computes = self._computes()
        with self._lock:
            self._contenders[job.name] = _contender(job)
            idle = frozenset(self._passed_over - {job.name})
            dealt = seats(list(self._contenders.values()), computes, self._machine, idle)
        return dealt[job.name]

    def obstacle(self, job: Resource[Job, JobStatus]) -> str:
        """Why a job without a seat has none, in a sentence."""
        return obstacle(_contender(job), self._computes())

    def room(self, workers: int) -> int:
        """How many more workers may be started while there are `workers`, of all jobs: who has to give up his seat may
        keep it until his mini-batch is done."""
        return max(0, self._machine - workers)

    def pass_over(self, job: str) -> None:
        """The job cannot use its seats yet: others may, until it says `contend`."""
        with self._lock:
            self._passed_over.add(job)

    def contend(self, job: str) -> None:
        with self._lock:
            self._passed_over.discard(job)

    def leave(self, job: str) -> None:
        """The job needs no workers any more."""
        with self._lock:
            self._contenders.pop(job, None)
            self._passed_over.discard(job)

    def _computes(self) -> Mapping[str, Compute]:
        return {each.name: each.spec for each in self._resources.list(COMPUTE)}


def _contender(job: Resource[Job, JobStatus]) -> Contender:
    settings = job.spec.deployment.settings
    return Contender(
        job=job.name,
        compute=compute_name(job.spec.deployment.compute),
        wanted=settings.workers,
        instance=settings.max_concurrency_per_instance,
        since=job.created_at,
    )
