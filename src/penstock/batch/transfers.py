"""What is asked of the process that moves a job's files from and to other machines. Pure."""

from collections.abc import Sequence

from penstock.store.ledger import LedgerFile
from penstock_worker.batch_contract import FETCH, STORE, WITHDRAW, File, Remote, Segment, Task

MOVER = "m0"  # its name among the job's workers
STORING = "z-store"  # id of the task that takes the final files away
WITHDRAWING = "z-withdraw"


def fetching(files: Sequence[File], listed: Sequence[LedgerFile], attempt: int) -> Task:
    """The task that brings these files to their paths; `listed` is what the ledger knows of them."""
    remotes = {each.number: Remote(uri=each.uri, version=each.version) for each in listed}
    return Task(
        id=f"f{files[0].number:08d}",
        kind=FETCH,
        attempt=attempt,
        segments=tuple(Segment(file=file) for file in files),
        remotes=tuple(remotes[file.number] for file in files),
    )


def storing(folder: str, uri: str, attempt: int) -> Task:
    """The task that takes the final files to where the caller wants them."""
    return Task(id=STORING, kind=STORE, attempt=attempt, remotes=(Remote(uri=uri),), folder=folder)


def withdrawing(uri: str, attempt: int) -> Task:
    """The task that removes there again what `storing` has brought."""
    return Task(id=WITHDRAWING, kind=WITHDRAW, attempt=attempt, remotes=(Remote(uri=uri),), folder=STORING)
