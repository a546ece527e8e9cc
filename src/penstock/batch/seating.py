"""Which jobs contend for the machine now, and how many workers each may have."""

import threading
from collections.abc import Mapping, Sequence

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
        self._waiting: set[str] = set()  # jobs that were told that they have no seat

    def seats(self, job: Resource[Job, JobStatus]) -> int:
        """How many workers the job may have now; 0: it waits for others."""
        computes = self._computes()
        with self._lock:
            self._contenders[job.name] = _contender(job)
            idle = frozenset(self._passed_over - {job.name})
            found = seats(list(self._contenders.values()), computes, self._machine, idle)[job.name]
            (self._waiting.discard if found else self._waiting.add)(job.name)
        return found

    def obstacle(self, job: Resource[Job, JobStatus]) -> str:
        """Why a job without a seat has none, in a sentence."""
        return obstacle(_contender(job), self._computes())

    def room(self, workers: int) -> int:
        """How many more workers may be started while there are `workers`, of all jobs: who has to give up his seat may
        keep it until his mini-batch is done."""
        return max(0, self._machine - workers)

    def pass_over(self, job: str) -> Sequence[str]:
        """The job cannot use its seats yet: others may, until it says `contend`. Returns those that waited for them."""
        with self._lock:
            if job in self._passed_over:
                return ()
            self._passed_over.add(job)
        return self._seated()

    def contend(self, job: str) -> None:
        with self._lock:
            self._passed_over.discard(job)

    def leave(self, job: str) -> Sequence[str]:
        """The job needs no workers any more. Returns those that waited for its seats."""
        with self._lock:
            self._passed_over.discard(job)
            self._waiting.discard(job)
            left = self._contenders.pop(job, None)
        return self._seated() if left is not None else ()

    def _seated(self) -> Sequence[str]:
        """The jobs that were told that they wait, and have a seat now."""
        if not self._waiting:
            return ()
        computes = self._computes()
        with self._lock:
            idle = frozenset(self._passed_over)
            dealt = seats(list(self._contenders.values()), computes, self._machine, idle)
            return [name for name in self._waiting if dealt.get(name)]

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
