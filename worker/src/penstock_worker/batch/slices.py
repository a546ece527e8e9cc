"""Slices of a file's rows, as they are given to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.batch.decoded import Decoded


class Reject(NamedTuple):
    """A row of a file that could not be read, and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class Slice:
    """Consecutive rows of a file, and the number in it of the first, from 0. The header is no row.

    `rejects` are of rows that stand before those of the table, behind those of the slice before, or after the last.
    """

    table: Any
    first_row: int
    rejects: tuple[Reject, ...] = ()


def sliced(table: Any, first_row: int, slice_rows: int) -> Iterator[Slice]:
    """The rows of `table` in even slices, of about `slice_rows`; nothing is copied."""
    rows = table.num_rows
    count = max(1, (rows + slice_rows // 2) // slice_rows)
    edges = [rows * at // count for at in range(count + 1)]
    for low, high in zip(edges, edges[1:]):  # noqa: B905, RUF007 - Python 3.9
        if low < high:
            yield Slice(table if count == 1 else table.slice(low, high - low), first_row + low)


def around_rejects(decoded: Decoded, first_row: int, slice_rows: int) -> Iterator[Slice]:
    """The slices of a piece's records, whose first is row `first_row`."""
    if not decoded.rejects:
        yield from sliced(decoded.table, first_row, slice_rows)
        return
    taken = 0  # of the table
    waiting: list[Reject] = []
    for number, (place, reason) in enumerate(decoded.rejects):
        before = place - number - taken  # records since the last reject
        for piece in sliced(decoded.table.slice(taken, before), first_row + taken + number, slice_rows):
            yield Slice(piece.table, piece.first_row, tuple(waiting))
            waiting = []
        taken += before
        waiting.append(Reject(first_row + place, reason))
    # With the length: without it, a table of no columns keeps all of its rows.
    rest = decoded.table.slice(taken, decoded.table.num_rows - taken)
    if not rest.num_rows:
        yield Slice(rest, first_row + taken + len(decoded.rejects), tuple(waiting))
        return
    for piece in sliced(rest, first_row + taken + len(decoded.rejects), slice_rows):
        yield Slice(piece.table, piece.first_row, tuple(waiting))
        waiting = []
