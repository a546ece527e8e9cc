"""Into which pieces a big file is cut, so that several workers score it: between records, at about equal sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock_worker.batch.arrow_rows import ArrowRows
from penstock_worker.batch.delimited import Delimited
from penstock_worker.batch.file_kind import DELIMITED, JSON, PARQUET, kind_of_file
from penstock_worker.batch.input_file import opened
from penstock_worker.batch.lines import LineEnds
from penstock_worker.batch.parquet_rows import ParquetRows
from penstock_worker.batch.records import RecordEnds
from penstock_worker.batch.row_groups import ranges
from penstock_worker.batch.text_pieces import Pace, Text, check_length
from penstock_worker.batch.text_rows import head_of, is_json_lines
from penstock_worker.batch.unreadable import reading_of
from penstock_worker.batch_contract import BYTES, ROWS, Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO

    from penstock_worker.batch.file_kind import FileKind
    from penstock_worker.batch.row_groups import Group
    from penstock_worker.batch.text_pieces import Ends
    from penstock_worker.batch_contract import File, Order

_BLOCK_BYTES = 512 * 1024  # what is made of a block should stay in the processor's cache


def cut(file: File, order: Order) -> tuple[Segment, ...]:
    """The segments of `file`, in order; none if it has no rows. A file that cannot be cut is one segment.

    Raises `UnreadableError` where the file cannot be read, of which a text is looked through for what is not UTF-8,
    and `TaskFailedError` if it has changed since the job was planned.
    """
    with opened(file) as stream, reading_of("the file"):
        if not file.size:
            return ()
        kind = kind_of_file(file.name)
        if kind.text:
            return tuple(_of_text(file, stream, kind, order))
        if kind.content == PARQUET:
            return tuple(_of_groups(file, ParquetRows(stream).groups, order))
        rows = ArrowRows(stream)
        return tuple(_of_groups(file, rows.groups, order)) if rows.seekable else (Segment(file),)


def _of_groups(file: File, groups: list[Group], order: Order) -> Iterator[Segment]:
    for start, length in ranges(groups, order.mini_batch_rows):
        yield Segment(file, ROWS, start, length, first_row=start, rows=length)


def _of_text(file: File, stream: FileIO, kind: FileKind, order: Order) -> Iterable[Segment]:
    if kind.compression or (kind.content == JSON and not is_json_lines(stream, kind)):
        return (Segment(file),)
    if kind.content != DELIMITED:
        return _at_ends(file, Text(stream, kind), LineEnds(), order.mini_batch_bytes)
    head = head_of(stream, kind, Delimited(kind.delimiter, None))
    if head is None:
        return ()
    return _at_ends(file, Text(stream, kind, head.end), RecordEnds(kind.delimiter), order.mini_batch_bytes)


def _at_ends(file: File, text: Text, ends: Ends, size: int) -> Iterator[Segment]:
    """Segments of about `size` bytes, which end with the first record that ends behind that. The first begins at 0."""
    size = -(-file.size // max(1, round(file.size / size)))
    start = first_row = rows = reached = 0
    offset = -1
    for block in text.blocks(Pace(_BLOCK_BYTES)):
        offset = text.begin if offset < 0 else offset
        found, empty = ends.of(block)
        taken = 0  # of the ends in this block
        while taken < len(found):
            place = int(found.searchsorted(start + size - offset))
            upto = min(place + 1, len(found))
            rows += upto - taken - int(empty[taken:upto].sum())
            taken = upto
            if place < len(found):
                stop = offset + int(found[place])
                yield Segment(file, BYTES, start, stop - start, first_row, rows)
                start, first_row, rows = stop, first_row + rows, 0
        reached = offset + int(found[-1]) if len(found) else reached
        offset += len(block)
        check_length(offset - reached)
    rows += ends.begun
    if rows:
        yield Segment(file, BYTES, start, offset - start, first_row, rows)
