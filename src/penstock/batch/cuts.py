"""Big files on their way to mini-batches: several workers cut a file, a window each, and here that is put together."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from penstock_worker.batch_contract import BYTES, CUT, File, Segment, Task

WINDOW_BYTES = 64 * 1024 * 1024

Segments = Sequence[Segment]


@dataclass
class _Cut:
    """A file: its windows, and the segments that were found in them, by number."""

    windows: Segments
    found: dict[int, Segments] = field(default_factory=dict[int, Segments])


@dataclass(frozen=True)
class Again:
    """A window that is to be cut again."""

    number: int
    window: Segment


class Cuts:
    """All files of a job that are being cut. `held` tells which tasks workers have."""

    def __init__(self, attempt: int, held: Callable[[], Collection[str]], window_bytes: int = WINDOW_BYTES) -> None:
        self._attempt = attempt
        self._held = held
        self._window_bytes = window_bytes
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
                cut = self._files[file.number] = _Cut(windows_of(file, self._window_bytes))
            for number, window in enumerate(cut.windows):
                if number not in cut.found and cut_id(file.number, number) not in held:
                    self._tasks.append(self._task(number, window))

    def next(self) -> Task | None:
        return self._tasks.popleft() if self._tasks else None

    def take(self, task: str, segments: Segments) -> Segments | None:
        """Take what a window was cut into; all of the file's segments once they are known."""
        file, number = numbers_of(task)
        cut = self._files.get(file)
        if cut is None:
            return None  # of before a restart: it will be asked again
        cut.found[number] = segments
        if len(cut.found) < len(cut.windows):
            return None
        joined = join(cut.windows, cut.found)
        if isinstance(joined, Again):
            del cut.found[joined.number]
            self._tasks.appendleft(self._task(joined.number, joined.window))
            return None
        self.drop(file)
        return joined

    def drop(self, file: int) -> None:
        """Forget a file: it is cut, or cannot be."""
        self._files.pop(file, None)
        self._tasks = deque(task for task in self._tasks if numbers_of(task.id)[0] != file)

    def _task(self, number: int, window: Segment) -> Task:
        id_ = cut_id(window.file.number, number)
        return Task(id=id_, kind=CUT, attempt=self._attempt, segments=(window,))


def windows_of(file: File, size: int) -> Segments:
    """Of about `size` bytes each. Only of the first it is known that a record begins there."""
    count = max(1, round(file.size / size))
    bounds = [file.size * number // count for number in range(count + 1)]
    return [
        Segment(file, BYTES, start, stop - start, first_row=0 if start == 0 else -1) for start, stop in pairwise(bounds)
    ]


def join(windows: Segments, found: Mapping[int, Segments]) -> Segments | Again:
    """The segments of a file out of those of all its windows: in order, with the numbers of their first rows.

    Or the window that has to be cut again, from a record's very beginning, as what was found in it does not begin
    where the window before ends, or does not go to its own end.
    """
    if not (found[0] and found[0][0].unit == BYTES):
        return found[0]  # no text that can be cut: the first window stands for all of the file
    joined: list[Segment] = []
    end = row = 0
    for number, window in enumerate(windows):
        file, bound = window.file, window.start + window.length
        if number and (end > bound or end == file.size):
            continue  # a record of an earlier window goes on beyond this one
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


def cut_id(file: int, window: int) -> str:
    return f"c{file:08d}-{window:06d}"


def numbers_of(task: str) -> tuple[int, int]:
    """The numbers of the file and of the window. Raises ValueError for the id of another task."""
    file, _, window = task[1:].partition("-")
    return int(file), int(window or 0)
