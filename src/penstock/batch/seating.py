"""Which jobs contend for the machine now, and how many workers each may have."""

import threading

from penstock.batch.scheduling import Contender, seats
from penstock.control.resources import Resources
from penstock.domain.compute import COMPUTE, compute_name
from penstock.domain.job import Job, JobStatus
from penstock.domain.resource import Resource


class Seating:
    """Knows the jobs that ask; a control plane that starts anew learns of them as each is looked at."""

    def __init__(self, resources: Resources, machine: int) -> None:
        self._resources = resources
        self._machine = machine
        self._lock = threading.Lock()
        self._contenders: dict[str, Contender] = {}

    def seats(self, job: Resource[Job, JobStatus]) -> int:
        """How many workers the job may have now; 0: it waits for others."""
        settings = job.spec.deployment.settings
        contender = Contender(
            job=job.name,
            compute=compute_name(job.spec.deployment.compute),
            wanted=settings.workers,
            instance=settings.max_concurrency_per_instance,
            since=job.created_at,
        )
        computes = {each.name: each.spec for each in self._resources.list(COMPUTE)}
        with self._lock:
            self._contenders[job.name] = contender
            dealt = seats(list(self._contenders.values()), computes, self._machine)
        return dealt[job.name]

    def leave(self, job: str) -> None:
        """The job needs no workers any more."""
        with self._lock:
            self._contenders.pop(job, None)
