"""Small files of delimited text that follow each other and have one header, read as if they were one file.

To parse a file costs the same for three rows as for a thousand. Only what is plain is read so: whatever is odd about a
file or its rows is left to `reading.py`, which reads each by itself and says what is wrong.
"""

from __future__ import annotations

import codecs
import csv
import io
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock_worker.batch.delimited import Delimited
from penstock_worker.batch.failing import TaskFailedError
from penstock_worker.batch.file_kind import DELIMITED, FileKind, kind_of_file
from penstock_worker.batch.input_file import opened
from penstock_worker.batch.text_rows import SAMPLE_BYTES
from penstock_worker.batch.texts import shared
from penstock_worker.batch_contract import WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from penstock_worker.batch.wanted import Columns
    from penstock_worker.batch_contract import Segment

_MOST_BYTES = SAMPLE_BYTES  # together, so that the types of columns are learned from all rows


class Together(NamedTuple):
    """`counts` are the rows of each file, in their order. `table` is None if they must be read one by one."""

    table: Any
    counts: Sequence[int]


class _Plain(NamedTuple):
    header: bytes
    body: bytes  # whole lines
    rows: int


def read_together(segments: Sequence[Segment], at: int, columns: Columns, only: Sequence[str] | None) -> Together:
    """The rows of the files from `at` on, of as many as can be read at once; of one at least.

    Raises nothing that reading them one by one would not raise.
    """
    kind = _kind_of(segments[at])
    first: _Plain | None = None
    bodies: list[bytes] = []
    counts: list[int] = []
    for plain in _plain_files(segments, at, kind) if kind is not None else ():
        first = first or plain
        if plain.header != first.header:
            break
        bodies.append(plain.body)
        counts.append(plain.rows)
    if kind is None or first is None or len(counts) < 2:
        return Together(None, counts[:1] or [0])
    delimited = Delimited(kind.delimiter, columns, None if only is None else frozenset(only))
    return Together(_parsed(first.header, b"".join(bodies), sum(counts), delimited), counts)


def _plain_files(segments: Sequence[Segment], at: int, kind: FileKind) -> Iterator[_Plain]:
    size = 0
    for segment in islice(segments, at, None):
        size += segment.file.size
        plain = _plain(segment, kind) if size <= _MOST_BYTES and _kind_of(segment) == kind else None
        if plain is None:
            return
        yield plain


def _kind_of(segment: Segment) -> FileKind | None:
    """None for what is never read together."""
    if segment.unit != WHOLE or not 0 < segment.file.size <= _MOST_BYTES // 4:
        return None
    try:
        kind = kind_of_file(segment.file.name)
    except TaskFailedError:
        return None
    return kind if kind.content == DELIMITED and not kind.compression else None


def _plain(segment: Segment, kind: FileKind) -> _Plain | None:
    """The file's header and rows, if each line is one."""
    try:
        with opened(segment.file) as stream:
            data = stream.readall()
        data.decode()
    except (TaskFailedError, OSError, ValueError):
        return None
    data = data.removeprefix(codecs.BOM_UTF8)
    header, _, body = data.partition(b"\n")
    header = header.removesuffix(b"\r")
    if not header or b'"' in header or b"\0" in data or data.count(b"\r") != data.count(b"\r\n"):
        return None
    if body and not body.endswith(b"\n"):
        body += b"\n"
    if body.startswith((b"\n", b"\r")) or b"\n\n" in body or b"\n\r" in body:
        return None
    rows = body.count(b"\n") if b'"' not in body else _quoted_rows(body, kind.delimiter)
    return None if rows < 0 else _Plain(header, body, rows)


def _quoted_rows(body: bytes, delimiter: str) -> int:
    """-1 if a quote is missing."""
    if body.count(b'"') % 2:
        return -1
    try:
        return sum(1 for _ in csv.reader(io.StringIO(body.decode(), newline=""), delimiter=delimiter, strict=True))
    except csv.Error:
        return -1


def _parsed(header: bytes, body: bytes, rows: int, delimited: Delimited) -> Any:
    """None if a row is not read as it is expected to be."""
    data = header + b"\n" + body
    try:
        head = delimited.head(data, 0)
        found = [] if head is None else list(delimited.read(data[head.end :], head))
    except (TaskFailedError, ValueError):  # Arrow's errors are ValueErrors
        return None
    if len(found) != 1 or found[0].rejects or found[0].table.num_rows != rows:
        return None
    return shared(found[0].table)
