"""Into which pieces a big file is cut, so that several workers score it: between records, at about equal sizes.

A file is looked through in stretches, which several workers take at once. Where in a stretch of delimited text the
first record begins, only what stands before it tells for sure: a line end may be one between quotes. It is taken to be
none, and whoever puts the stretches together sees where that was wrong, as the pieces of two do not meet there.
"""

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
from penstock_worker.batch.text_pieces import LONGEST_RECORD, Pace, Text, check_length
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
_LAST_PIECES = 8  # of the last stretch, which are smaller: workers that take them end at about the same time
_LEAST_BYTES = 4 * 1024 * 1024  # of these


def cut(stretch: Segment, order: Order) -> tuple[Segment, ...]:
    """The segments of a stretch of a file, in order.

    Of a text that can be cut, they go from the stretch's `start`, if its `first_row` is known, or else from the first
    line that begins in it, to the first record that ends behind it, or to the end of the file; less far, or none, where
    nothing looks like records. What cannot be cut, or is no text, is found as a whole with the stretch that begins the
    file. Segments without rows are found, too.

    Raises `UnreadableError` where the file cannot be read, of which a text is looked through for what is not UTF-8,
    and `TaskFailedError` if it has changed since the job was planned.
    """
    file = stretch.file
    with opened(file) as stream, reading_of(file.name):
        if not file.size:
            return ()
        kind = kind_of_file(file.name)
        if kind.text:
            return tuple(_of_text(stretch, stream, kind, order))
        if stretch.start:
            return ()
        if kind.content == PARQUET:
            return tuple(_of_groups(file, ParquetRows(stream).groups, order))
        rows = ArrowRows(stream)
        return tuple(_of_groups(file, rows.groups, order)) if rows.seekable else (Segment(file),)


def _of_groups(file: File, groups: list[Group], order: Order) -> Iterator[Segment]:
    for start, length in ranges(groups, order.mini_batch_rows):
        yield Segment(file, ROWS, start, length, first_row=start, rows=length)


def _of_text(stretch: Segment, stream: FileIO, kind: FileKind, order: Order) -> Iterable[Segment]:
    if kind.compression or (kind.content == JSON and not is_json_lines(stream, kind)):
        return () if stretch.start else (Segment(stretch.file),)
    begin = 0
    if stretch.start:
        begin = stretch.start if stretch.first_row >= 0 else _behind_line(stream, stretch)
    elif kind.content == DELIMITED:
        head = head_of(stream, kind, Delimited(kind.delimiter, None))
        begin = head.end if head is not None else -1
    if begin < 0:
        return ()
    ends = RecordEnds(kind.delimiter) if kind.content == DELIMITED else LineEnds()
    return _at_ends(stretch, Text(stream, kind, begin), ends, _piece_bytes(stretch, order))


def _behind_line(stream: FileIO, stretch: Segment) -> int:
    """Where the first line begins behind the one that the stretch begins in; -1 if none does in the stretch."""
    stop = min(stretch.start + stretch.length, stretch.start + LONGEST_RECORD)
    for offset in range(stretch.start, stop, _BLOCK_BYTES):
        stream.seek(offset)
        place = stream.read(min(_BLOCK_BYTES, stop - offset)).find(b"\n")
        if place >= 0:
            return offset + place + 1
    return -1


def _piece_bytes(stretch: Segment, order: Order) -> int:
    size = order.mini_batch_bytes
    if stretch.start + stretch.length >= stretch.file.size:
        size = min(size, max(_LEAST_BYTES, stretch.length // _LAST_PIECES))
    return -(-stretch.length // max(1, round(stretch.length / size)))


def _at_ends(stretch: Segment, text: Text, ends: Ends, size: int) -> Iterator[Segment]:
    """Segments of about `size` bytes, which end with the first record that ends behind that."""
    file, bound = stretch.file, stretch.start + stretch.length
    start = text.begin if stretch.start else 0
    first_row = max(0, stretch.first_row)
    rows = reached = 0
    offset = -1
    for block in text.blocks(Pace(_BLOCK_BYTES)):
        offset = text.begin if offset < 0 else offset
        found, empty = ends.of(block)
        taken = 0  # of the ends in this block
        while taken < len(found):
            place = int(found.searchsorted(min(start + size, bound + 1) - offset))
            upto = min(place + 1, len(found))
            rows += upto - taken - int(empty[taken:upto].sum())
            taken = upto
            if place < len(found):
                stop = offset + int(found[place])
                yield Segment(file, BYTES, start, stop - start, first_row, rows)
                if stop > bound:
                    return
                start, first_row, rows = stop, first_row + rows, 0
        reached = offset + int(found[-1]) if len(found) else reached
        offset += len(block)
        if stretch.first_row < 0 and offset - reached > LONGEST_RECORD:
            return  # the guess was wrong
        check_length(offset - reached)
    if offset > start:
        yield Segment(file, BYTES, start, offset - start, first_row, rows + ends.begun)
