"""Rows of text files, a piece of a few megabytes at a time."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.delimited import Delimited, Head
from penstock_worker.batch.file_kind import DELIMITED, JSON
from penstock_worker.batch.json_document import is_lines, values
from penstock_worker.batch.json_rows import JsonRows
from penstock_worker.batch.lines import LineEnds
from penstock_worker.batch.records import RecordEnds
from penstock_worker.batch.slices import around_rejects
from penstock_worker.batch.text_pieces import Pace, Text
from penstock_worker.batch_contract import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import FileIO

    from penstock_worker.batch.decoded import Decoded
    from penstock_worker.batch.file_kind import FileKind
    from penstock_worker.batch.slices import Slice
    from penstock_worker.batch.wanted import Wanted
    from penstock_worker.batch_contract import Segment

SAMPLE_BYTES = 256 * 1024  # of which the types of columns are learned, the same for all pieces of a file
_AT_ONCE = 8 * 1024 * 1024  # bytes of a file, so that nothing of it is scored if it is not UTF-8
_SEGMENT_AT_ONCE = 64 * 1024 * 1024  # bytes of a segment, whose end is known to be one of a record
_LEAST_BYTES, _USUAL_BYTES, _MOST_BYTES = 1 << 20, 4 << 20, 16 << 20
_DOCUMENT_ROWS = 4096  # parsed by Python before they become a table


def text_slices(stream: FileIO, kind: FileKind, segment: Segment, wanted: Wanted) -> Iterator[Slice]:
    """The rows of a segment. Raises `UnreadableError`, and what Arrow raises."""
    pace = _pace(segment, kind)
    if kind.content == DELIMITED:
        yield from _delimited(stream, kind, segment, wanted, pace)
    elif kind.content == JSON and not is_json_lines(stream, kind):
        rows = JsonRows(wanted.columns, wanted.only)
        found = values(Text(stream, kind).blocks(pace))
        chunks = iter(lambda: list(islice(found, _DOCUMENT_ROWS)), [])
        yield from _numbered(map(rows.of_values, chunks), 0, wanted.slice_rows)
    else:
        yield from _json_lines(stream, kind, segment, wanted, pace)


def is_json_lines(stream: FileIO, kind: FileKind) -> bool:
    """True if a file of JSON has a row in each line."""
    return is_lines(next(Text(stream, kind).blocks(Pace(SAMPLE_BYTES)), b""))


def head_of(stream: FileIO, kind: FileKind, delimited: Delimited) -> Head | None:
    """What the beginning of delimited text tells; None if nothing is there."""
    text = Text(stream, kind)
    sample = next(text.pieces(RecordEnds(kind.delimiter), Pace(SAMPLE_BYTES)), b"")
    return delimited.head(sample, text.begin)


def _pace(segment: Segment, kind: FileKind) -> Pace:
    """What is read at once takes no search for the ends of records. Rows of JSON are parsed in small pieces anyway."""
    if segment.unit == WHOLE:
        at_once = not kind.compression and segment.file.size <= _AT_ONCE
        return Pace(max(_USUAL_BYTES, segment.file.size) if at_once else _USUAL_BYTES)
    at_once = kind.content == DELIMITED and segment.length <= _SEGMENT_AT_ONCE
    return Pace(max(_USUAL_BYTES, segment.length) if at_once else _USUAL_BYTES)


def _delimited(stream: FileIO, kind: FileKind, segment: Segment, wanted: Wanted, pace: Pace) -> Iterator[Slice]:
    delimited = Delimited(kind.delimiter, wanted.columns, wanted.only)
    head = head_of(stream, kind, delimited)
    if head is None:
        return
    begin = max(segment.start, head.end)
    length = segment.length if segment.length < 0 else max(0, segment.start + segment.length - begin)
    pieces = Text(stream, kind, begin, length).pieces(RecordEnds(kind.delimiter), pace)
    filled = (piece for piece in pieces if piece[0] not in b"\r\n" or piece.strip(b"\r\n"))
    decoded = (part for piece in filled for part in delimited.read(piece, head))
    yield from _numbered(decoded, segment.first_row, wanted.slice_rows, pace)


def _json_lines(stream: FileIO, kind: FileKind, segment: Segment, wanted: Wanted, pace: Pace) -> Iterator[Slice]:
    rows = JsonRows(wanted.columns, wanted.only)
    rows.learn(next(Text(stream, kind).pieces(LineEnds(), Pace(SAMPLE_BYTES)), b""))
    pieces = Text(stream, kind, segment.start, segment.length).pieces(LineEnds(), pace)
    yield from _numbered(map(rows.read, pieces), segment.first_row, wanted.slice_rows, pace)


def _numbered(decoded: Iterable[Decoded], row: int, slice_rows: int, pace: Pace | None = None) -> Iterator[Slice]:
    for piece in decoded:
        yield from around_rejects(piece, row, slice_rows)
        rows: Any = piece.table.num_rows + len(piece.rejects)
        row += rows
        if pace is not None and rows:
            pace.bytes = min(_MOST_BYTES, max(_LEAST_BYTES, piece.bytes * slice_rows // rows))
