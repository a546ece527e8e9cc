"""What jobs that are over leave behind: outputs and logs, and what those can be resumed from that are not completed."""

from datetime import datetime, timedelta
from pathlib import Path

from penstock import durable
from penstock.batch.places import JobPlaces
from penstock.domain.job import Job, JobState, JobStatus
from penstock.domain.resource import Resource
from penstock.store.ledger import Ledger
from penstock_worker import batch_contract
from penstock_worker.batch_contract import Order
from penstock_worker.published import Published

_NOTHING = timedelta(0)
_BEGINS_ANEW = "what it had scored was removed, `penstock job resume` begins at the start"


class Leftovers:
    """`kept_for` is how long a job that failed or was canceled can be resumed; None: for ever."""

    def __init__(self, places: JobPlaces, ledger: Ledger, kept_for: timedelta | None) -> None:
        self._places = places
        self._ledger = ledger
        self._kept_for = kept_for

    def left(self, job: Resource[Job, JobStatus], now: datetime) -> timedelta | None:
        """How long what the job can be resumed from still stays; None: for ever."""
        if job.spec.archived:
            return _NOTHING
        if self._kept_for is None or job.status.ended_at is None:
            return None
        return max(_NOTHING, job.status.ended_at + self._kept_for - now)

    def take_back(self, name: str) -> None:
        """Remove final files of a job that is not completed, made or published. Raises OSError."""
        work = self._places.work(name)
        order = batch_contract.read(work / "order.json", Order)
        if order is not None:
            Published(work, order.job, Path(order.output_folder)).withdraw()

    def remove(self, name: str, *, ledger: bool) -> None:
        """Remove all but outputs and logs. The ledger goes first: it must not tell of parts that are gone."""
        if ledger:
            self._ledger.remove(name)
        durable.remove_tree(self._places.work(name))
        durable.remove_tree(self._places.inputs(name))


def expired_message(status: JobStatus) -> str:
    """What is said of a job that ended with `status` once it can only be begun anew."""
    why = "canceled" if status.state is JobState.CANCELED else status.message
    return f"{why}; {_BEGINS_ANEW}"
