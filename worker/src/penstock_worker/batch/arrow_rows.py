"""Rows of an Arrow file (Feather is one) or stream, by record batches.

A file is mapped into memory: what is not compressed is read when it is looked at, and takes no memory of the process.
"""

from __future__ import annotations

import importlib
import mmap
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.names import distinct
from penstock_worker.batch.row_groups import Group, groups_of
from penstock_worker.batch.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from penstock_worker.batch.wanted import Columns

_FILE, _OLD_FEATHER = b"ARROW1", b"FEA1"


class ArrowRows:
    """An open file. Every method raises what Arrow raises."""

    def __init__(self, stream: FileIO, columns: Columns | None = None, only: frozenset[str] | None = None) -> None:
        self._ipc: Any = importlib.import_module("pyarrow.ipc")
        arrow: Any = importlib.import_module("pyarrow")
        self._table_of_batches = arrow.Table.from_batches
        self._columns = columns
        self._only = only
        with mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            beginning = mapped[: len(_FILE)]
        if beginning.startswith(_OLD_FEATHER):
            raise unreadable("Feather of version 1 is not read; version 2 is")
        self.seekable = beginning == _FILE
        self._data = arrow.py_buffer(mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ))
        self._groups: list[Group] | None = None
        self._file: Any = None

    @property
    def groups(self) -> list[Group]:
        """The record batches of a file; of a stream it is not known where they are."""
        if self._groups is None:
            # One column is enough to know of how many rows a batch is.
            file = self._opened([0])
            rows = [file.get_batch(number).num_rows for number in range(file.num_record_batches)]
            self._groups = groups_of(rows, [0] * len(rows))
        return self._groups

    def read(self, start: int, stop: int) -> Iterator[Any]:
        """The tables of the rows from `start` to `stop` of a file, in order."""
        self._file = self._file or self._opened()
        for group in self.groups:
            low, high = max(start, group.start), min(stop, group.stop)
            if low < high:
                yield self._table(self._file.get_batch(group.number).slice(low - group.start, high - low))

    def read_all(self) -> Iterator[Any]:
        """The tables of all rows of a file or stream."""
        if not self.seekable:
            yield from map(self._table, self._ipc.open_stream(self._data))
            return
        file = self._opened()
        for number in range(file.num_record_batches):
            yield self._table(file.get_batch(number))

    def _opened(self, fields: list[int] | None = None) -> Any:
        return self._ipc.open_file(self._data, options=self._ipc.IpcReadOptions(included_fields=fields))

    def _table(self, batch: Any) -> Any:
        table = self._table_of_batches([batch])
        names = distinct(table.column_names, self._columns)
        table = table if names == table.column_names else table.rename_columns(names)
        wanted = [name for name in names if self._only is None or name in self._only]
        return table.select(wanted) if wanted else table
