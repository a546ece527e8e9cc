"""Which row groups of a Parquet file, or batches of an Arrow file, hold which rows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CUT_INSIDE = 4  # groups of more rows than so many mini-batches are cut inside


class Group(NamedTuple):
    """`bytes` is about what it takes once it is decoded."""

    number: int
    start: int
    rows: int
    bytes: int

    @property
    def stop(self) -> int:
        return self.start + self.rows


@dataclass(frozen=True)
class Most:
    """What is decoded at once."""

    rows: int = 1 << 20
    bytes: int = 256 * 1024 * 1024


def groups_of(rows: Sequence[int], sizes: Sequence[int]) -> list[Group]:
    starts = [0, *accumulate(rows)]
    return [Group(number, starts[number], rows[number], sizes[number]) for number in range(len(rows))]


def ranges(groups: Sequence[Group], rows: int) -> Iterator[tuple[int, int]]:
    """Cuts the file into ranges of about `rows` rows: between groups where these are not much larger."""
    start = stop = 0
    for group in groups:
        if group.rows > _CUT_INSIDE * rows:
            if stop > start:
                yield start, stop - start
            pieces = -(-group.rows // rows)
            edges = [group.start + group.rows * piece // pieces for piece in range(pieces + 1)]
            yield from ((low, high - low) for low, high in zip(edges, edges[1:]))  # noqa: B905, RUF007 - Python 3.9
            start = stop = group.stop
            continue
        stop = group.stop
        if stop - start >= rows:
            yield start, stop - start
            start = stop
    if stop > start:
        yield start, stop - start


class Step(NamedTuple):
    """Groups that are decoded together, and the rows of the file that are taken of them."""

    groups: tuple[Group, ...]
    start: int
    stop: int


def steps(groups: Sequence[Group], start: int, stop: int, most: Most) -> Iterator[Step]:
    """How to read the rows from `start` to `stop`. A step has more than `most` only if it is of a single group."""
    waiting: list[Group] = []
    for group in groups:
        if not group.rows or group.stop <= start or group.start >= stop:
            continue
        rows, size = (
            sum(each.rows for each in waiting) + group.rows,
            sum(each.bytes for each in waiting) + group.bytes,
        )
        # A group that is read in part is kept for its other parts: alone.
        part = group.start < start or group.stop > stop
        if waiting and (part or rows > most.rows or size > most.bytes):
            yield _step(waiting, start, stop)
            waiting = []
        waiting.append(group)
        if part:
            yield _step(waiting, start, stop)
            waiting = []
    if waiting:
        yield _step(waiting, start, stop)


def _step(groups: list[Group], start: int, stop: int) -> Step:
    return Step(tuple(groups), max(start, groups[0].start), min(stop, groups[-1].stop))
