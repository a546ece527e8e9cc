"""The files of other machines that a job reads: which are here, which are on their way, which are not needed any more.

All of it can be found again: a file is here if it lies in its folder, and needed while a mini-batch that reads it, or
its cutting, is still to be done.
"""

import shutil
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from pathlib import Path

from penstock.batch.fetching_ahead import following
from penstock.batch.planning import segments_of
from penstock.store.ledger import FileState, Ledger, MiniBatch, MiniBatchId, MiniBatchState
from penstock_worker.batch_contract import WHOLE, File, Result, Task

_TIDY_SECONDS = 0.005  # of one step
_MOST_TASKS = 2  # of the mover: one that it does, one that is next


class RemoteFiles:
    """`folder` holds a folder for each file that was fetched, `most_bytes` of files are kept there. None of a job that
    reads this machine alone is looked at: `folder` is None then."""

    def __init__(self, job: str, ledger: Ledger, folder: Path | None, most_bytes: int) -> None:
        self._job = job
        self._ledger = ledger
        self._folder = folder
        self._most_bytes = most_bytes
        self._coming: dict[str, Mapping[int, int]] = {}  # bytes by file, by task of the mover
        self._uncut: dict[int, File] = {}  # to be cut as soon as they are here
        self._read: dict[MiniBatchId, frozenset[int]] = {}  # what mini-batches read, as far as that was looked at
        self._changed = True
        self._gone = deque[int]()  # their files are still to be deleted
        self._here: dict[int, int] = {}  # bytes by file
        if folder is not None:
            self._here = _found(folder)
            for number in self._here.keys() - self._needed(max(self._here, default=-1)):
                self._remove(number)

    def is_ready(self, id_: MiniBatchId) -> bool:
        """True if all that a mini-batch reads is here."""
        if self._folder is None:
            return True
        read = self._read.get(id_)
        if read is None:
            self._changed = True  # it is to be looked at
        return read is not None and self._here.keys() >= read

    def to_cut(self, files: Iterable[File]) -> Sequence[File]:
        """Those of these files that can be cut now; the others will be told of by `arrived`."""
        now: list[File] = []
        for file in files:
            if not self._is_fetched(file) or file.number in self._here:
                now.append(file)
            else:
                self._uncut[file.number] = file
                self._changed = True
        return now

    @property
    def is_any(self) -> bool:
        return self._folder is not None

    def next(self, ahead: Iterable[MiniBatch], *, starving: bool) -> Sequence[File]:
        """The files that the mover is to fetch next, if any; `ahead` is what workers do next, in that order."""
        if len(self._coming) >= _MOST_TASKS or not (self._changed or starving):
            return []
        coming = {number for files in self._coming.values() for number in files}
        kept = sum(self._here.values()) + sum(sum(files.values()) for files in self._coming.values())
        found = following(self._needs(ahead), self._here.keys() | coming, kept, self._most_bytes, starving=starving)
        self._changed = bool(found)
        return found

    def look(self, held: Collection[str], told: Callable[[str], Task | None]) -> None:
        """The mover has these tasks: what it has lost is asked for again. `told` tells what a task is."""
        self._tidy()
        for id_ in [*self._coming]:
            if id_ not in held:  # it died, or could not do it now
                del self._coming[id_]
                self._changed = True
        for id_ in held:
            if id_ not in self._coming:
                task = told(id_)
                segments = task.segments if task is not None else ()
                self._coming[id_] = {each.file.number: max(0, each.file.size) for each in segments}

    def arrived(self, result: Result) -> Sequence[File]:
        """A fetch is done; returns what can be cut now."""
        self._changed = True
        self._coming.pop(result.id, None)
        self._here |= {segment.file.number: segment.file.size for segment in result.segments}
        return [self._uncut.pop(number) for number in sorted(self._uncut.keys() & self._here.keys())]

    def settled(self, mini_batches: Iterable[MiniBatchId], aside: Iterable[int]) -> None:
        """These mini-batches are done or have failed, these files were set aside, and the ledger says so: remove what
        nobody reads any more. It is fetched again if what has failed is tried again."""
        if self._folder is None:
            return
        self._changed = True
        for number in aside:
            self._remove(number)
        for id_ in mini_batches:
            before = MiniBatchId(id_.file, id_.piece - 1)
            (mini_batch,) = self._ledger.mini_batches(self._job, after=before, limit=1)
            if segments_of(mini_batch)[0].unit == WHOLE or not self._is_read(id_.file):
                for number in self._numbers(mini_batch):
                    self._remove(number)
            self._read.pop(id_, None)

    def _needs(self, ahead: Iterable[MiniBatch]) -> Iterator[Sequence[File]]:
        """By the number of the first file: files to be cut, and mini-batches."""
        cuts = ((number, (self._uncut[number],)) for number in sorted(self._uncut))
        batches = ((mini_batch.id.file, self._looked_at(mini_batch)) for mini_batch in ahead)
        for _, files in merge(cuts, batches, key=lambda need: need[0]):
            yield files

    def _looked_at(self, mini_batch: MiniBatch) -> Sequence[File]:
        read = self._read.get(mini_batch.id)
        if read is not None and self._here.keys() >= read:
            return ()
        files = [segment.file for segment in segments_of(mini_batch) if self._is_fetched(segment.file)]
        self._read[mini_batch.id] = frozenset(file.number for file in files)
        return files

    def _needed(self, last: int) -> Collection[int]:
        """Files up to number `last` that are still to be read."""
        needed = {file.number for file in self._ledger.files(self._job, state=FileState.LISTED)}
        after = None
        while chunk := self._ledger.mini_batches(self._job, state=MiniBatchState.TODO, after=after, limit=100):
            after = chunk[-1].id
            for mini_batch in chunk:
                if mini_batch.id.file > last:
                    return needed
                needed |= self._numbers(mini_batch)
        return needed

    def _is_read(self, number: int) -> bool:
        """True if a mini-batch of a file that was cut is still to be done."""
        first = MiniBatchId(number, -1)
        left = self._ledger.mini_batches(self._job, state=MiniBatchState.TODO, after=first, limit=1)
        return bool(left) and left[0].id.file == number

    def _numbers(self, mini_batch: MiniBatch) -> set[int]:
        return {segment.file.number for segment in segments_of(mini_batch) if self._is_fetched(segment.file)}

    def _is_fetched(self, file: File) -> bool:
        return self._folder is not None and file.path.startswith(f"{self._folder}/")

    def _remove(self, number: int) -> None:
        self._here.pop(number, None)
        self._gone.append(number)

    def _tidy(self) -> None:
        """Delete some of what is not needed: whole mini-batches of small files at once would hold up other jobs."""
        until = time.monotonic() + _TIDY_SECONDS
        while self._folder is not None and self._gone and time.monotonic() < until:
            shutil.rmtree(self._folder / f"{self._gone.popleft():08d}", ignore_errors=True)


def _found(folder: Path) -> dict[int, int]:
    """The files that lie there, whole, by number: their sizes."""
    paths = (path for path in folder.glob("[0-9]*/*") if not path.name.startswith(".")) if folder.is_dir() else ()
    return {int(path.parent.name): path.stat().st_size for path in paths}
