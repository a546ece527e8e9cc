"""The rows of a piece of an input file, as slices of Arrow tables that a model is given."""

from __future__ import annotations

import atexit
from contextlib import contextmanager
from typing import TYPE_CHECKING, Union

from penstock_worker.batch.arrow_rows import ArrowRows
from penstock_worker.batch.file_kind import PARQUET, kind_of_file
from penstock_worker.batch.input_file import is_at, open_input, opened, unchanged, watched
from penstock_worker.batch.parquet_rows import ParquetRows
from penstock_worker.batch.row_groups import Most
from penstock_worker.batch.slices import Reject, Slice, sliced
from penstock_worker.batch.soundness import Soundness
from penstock_worker.batch.text_rows import text_slices
from penstock_worker.batch.texts import shared
from penstock_worker.batch.unreadable import UnreadableError, reading_of
from penstock_worker.batch.wanted import Columns, Wanted
from penstock_worker.batch_contract import WHOLE

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from io import FileIO

    from penstock_worker.batch.file_kind import FileKind
    from penstock_worker.batch_contract import File, Segment

__all__ = ["Columns", "Reject", "Slice", "UnreadableError", "read", "unchanged"]

Rows = Union[ParquetRows, ArrowRows]


def read(
    segment: Segment, columns: Columns | None, slice_rows: int, only: Sequence[str] | None = None
) -> Iterator[Slice]:
    """The rows of `segment` in order, in slices of about `slice_rows`, with texts encoded by dictionaries.

    `columns` are the model's, None if it has no signature; `only` names the columns that are read, None: all.
    Raises `UnreadableError` where the file cannot be read, which for most faults is before the first slice, and
    `TaskFailedError` if it has changed since the job was planned, at the latest after the last slice.
    """
    wanted = Wanted(columns, None if only is None else frozenset(only), slice_rows)
    if not segment.file.size:
        with opened(segment.file):
            return
    kind = kind_of_file(segment.file.name)
    with reading_of(segment.file.name):
        if kind.text:
            yield from _of_text(segment, kind, wanted)
        else:
            yield from _of_table(segment, kind, wanted)


def _of_text(segment: Segment, kind: FileKind, wanted: Wanted) -> Iterator[Slice]:
    with opened(segment.file) as stream:
        for piece in text_slices(stream, kind, segment, wanted):
            yield Slice(shared(piece.table), piece.first_row, piece.rejects)


def _of_table(segment: Segment, kind: FileKind, wanted: Wanted) -> Iterator[Slice]:
    row = max(0, segment.start)
    with _LAST.rows_of(segment.file, kind, wanted) as rows:
        if isinstance(rows, ParquetRows):
            stop = rows.rows if segment.unit == WHOLE else segment.start + segment.length
            tables = rows.read(row, stop, wanted.slice_rows, Most())
        elif segment.unit == WHOLE:
            tables = rows.read_all()
        else:
            tables = rows.read(row, segment.start + segment.length)
        sound = Soundness()
        for table in tables:
            yield from sliced(shared(sound.checked(table)), row, wanted.slice_rows)
            row += table.num_rows


class _Last:
    """The file with rows that was read last, kept open: its next piece is mostly what is read next."""

    def __init__(self) -> None:
        self._key: tuple[File, Wanted] | None = None
        self._stream: FileIO | None = None
        self._rows: Rows | None = None

    @contextmanager
    def rows_of(self, file: File, kind: FileKind, wanted: Wanted) -> Generator[Rows]:
        """Raises `TaskFailedError` and `UnreadableError`."""
        if self._stream is None or self._key != (file, wanted) or not is_at(self._stream, file.path):
            self.close()
            self._key, self._stream = (file, wanted), open_input(file)
        try:
            with watched(file, self._stream):
                if self._rows is None:
                    reader = ParquetRows if kind.content == PARQUET else ArrowRows
                    self._rows = reader(self._stream, wanted.columns, wanted.only)
                yield self._rows
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._key = self._stream = self._rows = None


_LAST = _Last()
atexit.register(_LAST.close)
