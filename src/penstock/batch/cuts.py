"""Big files on their way to mini-batches: several workers cut a file, a stretch each, and here that is put together."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from penstock_worker.batch_contract import BYTES, CUT, File, Segment, Task

STRETCH_BYTES = 64 * 1024 * 1024

Segments = Sequence[Segment]


@dataclass
class _Cut:
    """A file: its stretches, and the segments that were found in them, by number."""

    stretches: Segments
    found: dict[int, Segments] = field(default_factory=dict[int, Segments])


@dataclass(frozen=True)
class Again:
    """A stretch that is to be cut again."""

    number: int
    stretch: Segment


class Cuts:
    """All files of a job that are being cut. `held` tells which tasks workers have."""

    def __init__(self, attempt: int, held: Callable[[], Collection[str]], stretch_bytes: int = STRETCH_BYTES) -> None:
        self._attempt = attempt
        self._held = held
        self._stretch_bytes = stretch_bytes
        self._files: dict[int, _Cut] = {}
        self._tasks: deque[Task] = deque()

    def __len__(self) -> int:
        """How many tasks wait to be handed out."""
        return len(self._tasks)

    def ask(self, files: Iterable[File]) -> None:
        """Have these files cut; what is known of them, or under way, is not asked again."""
        held = {*self._held(), *(task.id for task in self._tasks)}
        for file in files:
            cut = self._files.get(file.number)
            if cut is None:
                cut = self._files[file.number] = _Cut(stretches_of(file, self._stretch_bytes))
            for number, stretch in enumerate(cut.stretches):
                if number not in cut.found and cut_id(file.number, number) not in held:
                    self._tasks.append(self._task(number, stretch))

    def next(self) -> Task | None:
        return self._tasks.popleft() if self._tasks else None

    def take(self, task: str, segments: Segments) -> Segments | None:
        """Take what a stretch was cut into; all of the file's segments once they are known."""
        file, number = numbers_of(task)
        cut = self._files.get(file)
        if cut is None:
            return None  # of before a restart: it will be asked again
        cut.found[number] = segments
        if len(cut.found) < len(cut.stretches):
            return None
        joined = join(cut.stretches, cut.found)
        if isinstance(joined, Again):
            del cut.found[joined.number]
            self._tasks.appendleft(self._task(joined.number, joined.stretch))
            return None
        self.drop(file)
        return joined

    def drop(self, file: int) -> None:
        """Forget a file: it is cut, or cannot be."""
        self._files.pop(file, None)
        self._tasks = deque(task for task in self._tasks if numbers_of(task.id)[0] != file)

    def _task(self, number: int, stretch: Segment) -> Task:
        id_ = cut_id(stretch.file.number, number)
        return Task(id=id_, kind=CUT, attempt=self._attempt, segments=(stretch,))


def stretches_of(file: File, size: int) -> Segments:
    """Of about `size` bytes each. Only of the first it is known that a record begins there."""
    count = max(1, round(file.size / size))
    bounds = [file.size * number // count for number in range(count + 1)]
    return [
        Segment(file, BYTES, start, stop - start, first_row=0 if start == 0 else -1) for start, stop in pairwise(bounds)
    ]


def join(stretches: Segments, found: Mapping[int, Segments]) -> Segments | Again:
    """The segments of a file out of those of all its stretches: in order, with the numbers of their first rows.

    Or the stretch that has to be cut again, from a record's very beginning, as what was found in it does not begin
    where the stretch before ends, or does not go to its own end.
    """
    if not (found[0] and found[0][0].unit == BYTES):
        return found[0]  # no text that can be cut: the first stretch stands for all of the file
    joined: list[Segment] = []
    end = row = 0
    for number, stretch in enumerate(stretches):
        file, bound = stretch.file, stretch.start + stretch.length
        if number and (end > bound or end == file.size):
            continue  # a record of an earlier stretch goes on beyond this one
        segments = found[number]
        reached = segments[-1].start + segments[-1].length if segments else 0
        if not (segments and segments[0].start == end and (reached > bound or reached == file.size)):
            return Again(number, Segment(file, BYTES, end, bound - end, first_row=row))
        for segment in segments:
            if segment.rows:
                joined.append(replace(segment, first_row=row))
            row += segment.rows
        end = reached
    return joined


def cut_id(file: int, stretch: int) -> str:
    return f"c{file:08d}-{stretch:06d}"


def numbers_of(task: str) -> tuple[int, int]:
    """The numbers of the file and of the stretch. Raises ValueError for the id of another task."""
    file, _, stretch = task[1:].partition("-")
    return int(file), int(stretch or 0)
