"""Ledgers for tests, in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from penstock.store.ledger import (
    Aside,
    FileState,
    LedgerFile,
    MiniBatch,
    MiniBatchId,
    MiniBatchState,
    Outcome,
    Totals,
)


@dataclass
class _Book:
    files: dict[int, LedgerFile]
    planned: set[int] = field(default_factory=set[int])
    mini_batches: dict[MiniBatchId, MiniBatch] = field(default_factory=dict[MiniBatchId, MiniBatch])


class MemoryLedger:
    """A `Ledger` that anybody may write."""

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}

    def open(self, job: str, files: Sequence[LedgerFile]) -> None:
        self._books.setdefault(job, _Book({file.number: file for file in files}))

    def opened(self, job: str) -> bool:
        return job in self._books

    def files(
        self, job: str, *, state: FileState | None = None, numbers: Collection[int] | None = None
    ) -> Sequence[LedgerFile]:
        files = self._book(job).files
        chosen = sorted(files if numbers is None else files.keys() & set(numbers))
        return [files[number] for number in chosen if state in (None, files[number].state)]

    def cut(self, job: str, files: Sequence[int], mini_batches: Sequence[MiniBatch]) -> None:
        book = self._book(job)
        listed = {n for n in files if n in book.files and book.files[n].state is FileState.LISTED}
        book.planned |= listed
        for number in listed:
            book.files[number] = replace(book.files[number], state=FileState.CUT)
        for each in mini_batches:
            if each.id.file in listed:
                book.mini_batches.setdefault(each.id, each)

    def set_aside(self, job: str, file: int, state: FileState, reason: str) -> None:
        files = self._book(job).files
        if file in files:
            files[file] = replace(files[file], state=state, reason=reason)

    def set_all_aside(self, job: str, files: Sequence[Aside]) -> None:
        for aside in files:
            self.set_aside(job, *aside)

    def mini_batches(
        self, job: str, *, state: MiniBatchState | None = None, after: MiniBatchId | None = None, limit: int = 10_000
    ) -> Sequence[MiniBatch]:
        found = sorted(self._book(job).mini_batches.items())
        wanted = [each for id_, each in found if (after is None or id_ > after) and state in (None, each.state)]
        return wanted[:limit]

    def note(self, job: str, outcomes: Sequence[Outcome]) -> None:
        mini_batches = self._book(job).mini_batches
        for outcome in outcomes:
            present = mini_batches.get(outcome.id)
            if present is not None and present.state is not MiniBatchState.DONE:
                mini_batches[outcome.id] = replace(present, **vars(outcome))

    def reopen(self, job: str, files: Sequence[int] = (), mini_batches: Sequence[MiniBatchId] = ()) -> None:
        book = self._book(job)
        for number, file in book.files.items():
            if file.state is FileState.FAILED and (number not in book.planned or number in files):
                state = FileState.CUT if number in book.planned else FileState.LISTED
                book.files[number] = replace(file, state=state, reason="")
        for id_, each in book.mini_batches.items():
            if each.state is MiniBatchState.FAILED or (each.state is MiniBatchState.DONE and id_ in mini_batches):
                untold = Outcome(id=id_, state=MiniBatchState.TODO, attempt=0)
                book.mini_batches[id_] = replace(each, **vars(untold))

    def totals(self, job: str) -> Totals:
        book = self._book(job)
        files, batches = list(book.files.values()), list(book.mini_batches.values())
        done = [each for each in batches if each.state is MiniBatchState.DONE]
        failed = [each for each in batches if each.state is MiniBatchState.FAILED]
        rows = [each.rows_in if each.state is MiniBatchState.DONE else each.rows for each in batches]
        whole = (FileState.LISTED, FileState.CUT)
        aside = [f for f in files if f.number in book.planned and f.state not in whole]
        read = [f for f in files if f.number in book.planned or f.state in whole]
        return Totals(
            files=len(files),
            files_by_state={state: sum(f.state is state for f in files) for state in FileState},
            mini_batches=len(batches),
            mini_batches_by_state={state: sum(b.state is state for b in batches) for state in MiniBatchState},
            files_done=max(0, sum(each.files for each in done) - len(aside)),
            files_failed=sum(each.files for each in failed) + sum(f.state is FileState.FAILED for f in files),
            rows=None if any(count < 0 for count in rows) else sum(rows),
            rows_in=sum(each.rows_in for each in done),
            rows_out=sum(each.rows_out for each in done),
            rows_rejected=sum(each.rows_rejected for each in done),
            bytes=sum(file.size for file in read),
            bytes_done=sum(each.bytes for each in (*done, *failed)),
        )

    def remove(self, job: str) -> None:
        self._books.pop(job, None)

    def _book(self, job: str) -> _Book:
        return self._books.get(job, _Book({}))
