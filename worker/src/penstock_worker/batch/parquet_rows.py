"""Rows of a Parquet file, decoded by row groups, those that are too large for that in batches."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.input_file import arrow_source
from penstock_worker.batch.names import distinct
from penstock_worker.batch.row_groups import Group, Most, Step, groups_of, steps
from penstock_worker.batch.texts import is_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from penstock_worker.batch.wanted import Columns

_VALUE_BYTES = 8  # at least, of a decoded value
_BUFFER_BYTES = 1 << 20  # of each column, where a row group is not read at once
_OTHER_COUNT = "it has not as many rows as its footer says"
_PANDAS_INDEX = "__index_level_"  # how pandas names an index that has no name


class ParquetRows:
    """An open file. It remembers how far it has read in a row group, whose pieces mostly come one after the other.

    Every method raises what Arrow raises.
    """

    def __init__(self, stream: FileIO, columns: Columns | None = None, only: frozenset[str] | None = None) -> None:
        arrow: Any = importlib.import_module("pyarrow")
        self._table_of_batches = arrow.Table.from_batches
        self._source = arrow_source(stream)
        self._open: Any = importlib.import_module("pyarrow.parquet").ParquetFile
        first = self._open(self._source)
        self.groups = _groups(first.metadata)
        self._columns = columns
        names: list[str] = list(first.schema_arrow.names)
        self._wanted = [name for name in names if _is_wanted(name, only)]
        if not self._wanted or self._wanted == names:
            self._wanted = None
        texts = [field.name for field in first.schema_arrow if is_text(field.type)]
        # Buffering ahead, Arrow would hold all encoded columns of a row group at once.
        self._options: dict[str, Any] = {
            "metadata": first.metadata,
            "read_dictionary": texts or None,
            "pre_buffer": False,
        }
        self._file = self._open(self._source, **self._options)
        self._kept: tuple[int, Any] = (-1, None)  # number of a group, and its table
        self._batches = _Batches(-1, 0, iter(()))

    @property
    def rows(self) -> int:
        return self.groups[-1].stop if self.groups else 0

    def read(self, start: int, stop: int, batch_rows: int, most: Most) -> Iterator[Any]:
        """The tables of the rows from `start` to `stop`, in order."""
        for step in steps(self.groups, start, stop, most):
            group = step.groups[0]
            if group.rows > most.rows or group.bytes > most.bytes:
                yield from map(self._named, self._in_batches(step, batch_rows))
            else:
                yield self._named(self._decoded(step))

    def _decoded(self, step: Step) -> Any:
        first, last = step.groups[0], step.groups[-1]
        kept, table = self._kept
        if kept != first.number:
            self._kept = (-1, None)  # its memory is needed
            table = self._file.read_row_groups(
                [group.number for group in step.groups], columns=self._wanted, use_threads=False
            )
            if table.num_rows != last.stop - first.start:
                raise ValueError(_OTHER_COUNT)
        whole = step.start == first.start and step.stop == last.stop
        self._kept = (-1, None) if step.stop == last.stop else (first.number, table)
        return table if whole else table.slice(step.start - first.start, step.stop - step.start)

    def _in_batches(self, step: Step, batch_rows: int) -> Iterator[Any]:
        group = step.groups[0]
        batches = self._batches
        if batches.group != group.number or batches.at > step.start:
            # With a buffer, columns are not read as a whole.
            file = self._open(self._source, **self._options, buffer_size=_BUFFER_BYTES)
            found = file.iter_batches(batch_rows, row_groups=[group.number], columns=self._wanted, use_threads=False)
            batches = self._batches = _Batches(group.number, group.start, found)
        for batch in batches.read(step.start, step.stop):
            yield self._table_of_batches([batch])
        if step.stop == group.stop:
            self._batches = _Batches(-1, 0, iter(()))

    def _named(self, table: Any) -> Any:
        names = distinct(table.column_names, self._columns)
        return table if names == table.column_names else table.rename_columns(names)


class _Batches:
    """The batches of a row group, from one piece of it to the next. `at` is the row of the file that comes next."""

    def __init__(self, group: int, at: int, batches: Iterator[Any]) -> None:
        self.group = group
        self.at = at
        self._batches = batches
        self._rest: Any = None

    def read(self, start: int, stop: int) -> Iterator[Any]:
        while self.at < stop:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            if batch is None:
                raise ValueError(_OTHER_COUNT)
            self._rest = None
            if self.at + batch.num_rows > stop:
                self._rest = batch.slice(stop - self.at)
                batch = batch.slice(0, stop - self.at)
            skipped = min(batch.num_rows, max(0, start - self.at))
            self.at += batch.num_rows
            if skipped < batch.num_rows:
                yield batch.slice(skipped)


def _groups(metadata: Any) -> list[Group]:
    found = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    sizes = [max(group.total_byte_size, group.num_rows * group.num_columns * _VALUE_BYTES) for group in found]
    return groups_of([group.num_rows for group in found], sizes)


def _is_wanted(name: str, only: frozenset[str] | None) -> bool:
    return not name.startswith(_PANDAS_INDEX) and (only is None or name in only)
