"""What is asked of the process that moves a job's files from and to other machines. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from penstock.batch.planning import file_of
from penstock.store.ledger import LedgerFile
from penstock_worker.batch_contract import FETCH, STORE, WITHDRAW, Remote, Segment, Task

MOVER = "m0"  # its name among the job's workers
STORING = "z-store"  # id of the task that takes the final files away
WITHDRAWING = "z-withdraw"

_MOST_FILES = 64
_MOST_BYTES = 256 * 1024 * 1024


def fetches(files: Iterable[LedgerFile], paths: Mapping[int, str], attempt: int) -> Sequence[Task]:
    """Tasks that bring these files to their paths, several small ones at a time, in the order of the input."""
    groups: list[list[LedgerFile]] = []
    bytes_ = 0
    for file in files:
        if not groups or len(groups[-1]) >= _MOST_FILES or bytes_ + file.size > _MOST_BYTES:
            groups.append([])
            bytes_ = 0
        groups[-1].append(file)
        bytes_ += max(0, file.size)
    return [
        Task(
            id=f"f{group[0].number:08d}",
            kind=FETCH,
            attempt=attempt,
            segments=tuple(Segment(file=file_of(file, paths[file.number])) for file in group),
            remotes=tuple(Remote(uri=file.uri, version=file.version) for file in group),
        )
        for group in groups
    ]


def storing(folder: str, uri: str, attempt: int) -> Task:
    """The task that takes the final files to where the caller wants them."""
    return Task(id=STORING, kind=STORE, attempt=attempt, remotes=(Remote(uri=uri),), folder=folder)


def withdrawing(uri: str, attempt: int) -> Task:
    """The task that removes there again what `storing` has brought."""
    return Task(id=WITHDRAWING, kind=WITHDRAW, attempt=attempt, remotes=(Remote(uri=uri),), folder=STORING)
