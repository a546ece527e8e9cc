"""The port for ledgers of batch jobs: which files they read, into which mini-batches, and what came of each.

A row of a job's output exists if and only if its mini-batch stands here as done: readers trust the ledger, not a
listing of files.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class FileState(StrEnum):
    LISTED = "listed"  # it is known, and has no mini-batches yet
    CUT = "cut"  # its mini-batches stand in the ledger
    SKIPPED = "skipped"  # set aside: nothing that can be read
    FAILED = "failed"


class MiniBatchState(StrEnum):
    TODO = "todo"
    DONE = "done"
    FAILED = "failed"


class MiniBatchId(NamedTuple):
    """The number of its first file, and which piece of it: ids are in the order of the input."""

    file: int
    piece: int


@dataclass(frozen=True, kw_only=True)
class LedgerFile:
    """A file of the input, as it was when the job began. `version` tells it from a changed one (time, ETag)."""

    number: int
    uri: str
    name: str  # its path below the input
    size: int
    version: str
    state: FileState = FileState.LISTED
    reason: str = ""  # why it was skipped or has failed


class Aside(NamedTuple):
    """A file, by its number, that was skipped or has failed, and why."""

    file: int
    state: FileState
    reason: str


@dataclass(frozen=True, kw_only=True)
class MiniBatch:
    """A mini-batch. `segments` is the JSON of what it reads (files and ranges), `parts` of what it came to.

    `attempt` counts the tries that are over; `rows` is how many it is thought to read, -1 if that is not known.
    """

    id: MiniBatchId
    files: int  # how many it touches
    segments: str
    rows: int
    bytes: int
    state: MiniBatchState = MiniBatchState.TODO
    attempt: int = 0
    parts: str = ""
    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What has become of a mini-batch: done with `parts`, failed for good, or (todo) to be tried again."""

    id: MiniBatchId
    state: MiniBatchState
    attempt: int
    parts: str = ""
    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Sums over a job's ledger. `rows` is what all mini-batches read, None while that is not known of some; rows that
    were read, written and rejected are those of done mini-batches. `bytes` are of the files
    that are read, `bytes_done` of settled mini-batches."""

    files: int = 0
    files_by_state: dict[FileState, int]
    mini_batches: int = 0
    mini_batches_by_state: dict[MiniBatchState, int]
    files_done: int = 0  # that done mini-batches touch, without those that were set aside or have failed by themselves
    files_failed: int = 0  # that failed ones touch, and those that have failed by themselves
    rows: int | None = None
    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    bytes: int = 0
    bytes_done: int = 0


class Ledger(Protocol):
    """Every write is one short transaction, refused with `conflict` if another control plane leads. Jobs by name."""

    def open(self, job: str, files: Sequence[LedgerFile]) -> None:
        """Write down the input of a job, all of it or nothing; nothing happens if the job has a ledger already."""
        ...

    def opened(self, job: str) -> bool: ...

    def files(
        self, job: str, *, state: FileState | None = None, numbers: Collection[int] | None = None
    ) -> Sequence[LedgerFile]:
        """By number; `numbers` are at most 1,000."""
        ...

    def cut(self, job: str, files: Sequence[int], mini_batches: Sequence[MiniBatch]) -> None:
        """Write down the mini-batches of `files`, which are `cut` then. Files that are no longer `listed` are left
        alone, and so are mini-batches that begin with one of them, and those that stand there already."""
        ...

    def set_aside(self, job: str, file: int, state: FileState, reason: str) -> None:
        """Note that a file was skipped, or has failed."""
        ...

    def set_all_aside(self, job: str, files: Sequence[Aside]) -> None:
        """The same for many at once; of one that is named twice, the last counts."""
        ...

    def mini_batches(
        self, job: str, *, state: MiniBatchState | None = None, after: MiniBatchId | None = None, limit: int = 10_000
    ) -> Sequence[MiniBatch]:
        """By id, from the one after `after` on."""
        ...

    def note(self, job: str, outcomes: Sequence[Outcome]) -> None:
        """Write down what has become of mini-batches. One that is done stays as it is, whatever comes later."""
        ...

    def reopen(self, job: str, files: Sequence[int] = (), mini_batches: Sequence[MiniBatchId] = ()) -> None:
        """Let what has failed be tried again: failed mini-batches are todo, with no attempts; failed files that were
        never cut are listed. One that was cut is settled with its mini-batches, as it would come out twice; unless it
        is one of `files`, which are cut again, together with those done `mini_batches` that read them: these are todo
        too."""
        ...

    def totals(self, job: str) -> Totals: ...

    def remove(self, job: str) -> None:
        """Forget a job; fine if it is not known."""
        ...
