"""What a mini-batch comes to: files that appear in `parts/` once all of them are complete, or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.row_files import JSONL, SUFFIXES, RowFile, row_file
from penstock_worker.batch_contract import Part, part_name

if TYPE_CHECKING:
    from penstock_worker.batch.column_names import ColumnNames
    from penstock_worker.batch.part_files import PartFiles
    from penstock_worker.batch_contract import Order, Task

ROWS, REJECTS = "rows", "rejects"
_PER_INPUT = "per_input"


class Parts:
    """The parts of one task. What fails here raises OSError; then, as after any other failure, `discard`."""

    def __init__(self, files: PartFiles, task: Task, order: Order, names: ColumnNames) -> None:
        self._files = files
        self._names = names
        self._task = task
        self._order = order
        self._parts: list[_PartInMaking] = []  # in the order of their rows
        self._open: dict[str, _PartInMaking] = {}  # by their kind

    @property
    def by_file(self) -> bool:
        """True if rows of each input are in files of their own."""
        return self._order.output_mode == _PER_INPUT

    def write(self, segment: int, table: Any) -> None:
        """Add rows of output, which come from `segment`; those of one come together."""
        segment = segment if self._order.output_mode == _PER_INPUT else -1
        self._add(ROWS, segment, self._order.output_format, SUFFIXES[self._order.output_format], table)

    def reject(self, table: Any) -> None:
        """Add rows that are set aside, with their reasons."""
        self._add(REJECTS, -1, JSONL, f".{REJECTS}{SUFFIXES[JSONL]}", table)

    def place(self) -> tuple[Part, ...]:
        """Have all of them complete and under their names."""
        for part in self._parts:
            part.close()
        for part in self._parts:
            part.place()
        return tuple(part.told() for part in self._parts)

    def discard(self) -> None:
        """Leave nothing behind."""
        for part in self._parts:
            part.discard()

    def _add(self, kind: str, segment: int, form: str, suffix: str, table: Any) -> None:
        part = self._open.get(kind)
        if part is None or part.segment != segment or not part.takes(table):
            number = 0 if part is None or part.segment != segment else part.number + 1
            name = part_name(self._task, segment, f".{number}" if number else "")
            if part is not None:
                part.close()
            part = self._open[kind] = _PartInMaking(self._files, (name, suffix), kind, segment, number)
            self._parts.append(part)
            part.open(form, self._order.mini_batch_rows, self._names)
        part.write(table)


class _PartInMaking:
    """A file of rows; `number` counts those of the same segment. Between the two halves of its `name` comes a mark of
    what it holds."""

    def __init__(self, files: PartFiles, name: tuple[str, str], kind: str, segment: int, number: int) -> None:
        self._files = files
        self._stem, self._suffix = name
        self._name = "".join(name)
        self._temporary = files.temporary(self._name)
        self.number = number
        self._kind = kind
        self.segment = segment
        self._file: RowFile | None = None
        self._rows = self._bytes = 0

    def open(self, form: str, group_rows: int, names: ColumnNames) -> None:
        os.close(os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        self._file = row_file(form, self._temporary, group_rows, names)

    def takes(self, table: Any) -> bool:
        return self._file is None or self._file.takes(table)

    def write(self, table: Any) -> None:
        if self._file is not None:
            self._file.write(table)
            self._rows += table.num_rows

    def close(self) -> None:
        """Have the content complete. May be repeated."""
        if self._file is not None:
            self._file.close()
            self._name = f"{self._stem}{self._file.mark}{self._suffix}"
            self._file = None

    def place(self) -> None:
        self._bytes = self._files.place(self._name, self._temporary)

    def discard(self) -> None:
        with suppress(Exception):  # closing may write, to a disk that is full
            if self._file is not None:
                self._file.close()
        for path in (self._temporary, self._files.folder / self._name):
            with suppress(OSError):
                path.unlink()

    def told(self) -> Part:
        return Part(self._name, self._kind, self._rows, self._bytes, self.segment)
