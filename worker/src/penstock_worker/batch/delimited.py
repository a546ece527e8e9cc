"""Tables of delimited text: pieces of whole records become Arrow tables, with the types of the model's signature.

A piece is read with the types that are expected. If a value does not fit its column, the piece is read again in parts,
and the column of that part with a wider type, at last as texts: whoever judges rows finds out which do not fit.
"""

from __future__ import annotations

import csv
import importlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.decoded import Decoded
from penstock_worker.batch.names import distinct
from penstock_worker.batch.records import RecordEnds
from penstock_worker.batch.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from penstock_worker.batch.wanted import Columns

# What pandas takes for no value, in columns that the model reads; other columns are left as they are written.
_NULLS = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
)
_BLOCK_BYTES = 4 << 20  # parsed at once; Arrow parses larger ones more slowly
_COLUMN = re.compile(r"In CSV column #(\d+)")


@dataclass(frozen=True)
class Head:
    """What the beginning of a file tells of all of it: the columns' names and types, and where the first row begins."""

    names: Sequence[str]
    types: Mapping[str, Any]
    end: int


class Delimited:
    """Reads files of one `delimiter` for a model's `columns`; of others, only those in `only`, if that is given."""

    def __init__(self, delimiter: str, columns: Columns | None, only: frozenset[str] | None = None) -> None:
        self._arrow: Any = importlib.import_module("pyarrow")
        self._csv: Any = importlib.import_module("pyarrow.csv")
        self._compute: Any = importlib.import_module("pyarrow.compute")
        self._delimiter = delimiter
        self._columns = columns
        self._only = only
        self._text = self._arrow.dictionary(self._arrow.int32(), self._arrow.string())

    def head(self, sample: bytes, begin: int) -> Head | None:
        """Of the first records of a file, which begin at byte `begin`; None if there are none."""
        ends, empty = RecordEnds(self._delimiter).of(sample)
        full = ends[~empty]
        end = int(full[0]) if len(full) else len(sample)
        rows = csv.reader(io.StringIO(sample[:end].decode(), newline=""), delimiter=self._delimiter)
        try:
            names = next((row for row in rows if row), None)
        except csv.Error as error:
            raise unreadable(f"its header cannot be read: {error}; is a quote missing?") from error
        if names is None:
            return None
        names = distinct(names, self._columns)
        types = self._expected(names)
        return Head(names, {**self._inferred(sample[end:], names, types), **types}, begin + end)

    def read(self, data: bytes, head: Head) -> Iterator[Decoded]:
        """The records of a piece, as one table or, if values do not fit, several. Raises what Arrow raises."""
        rejects: list[tuple[int, str]] = []
        try:
            table = self._parsed(data, head.names, head.types, rejects)
        except self._arrow.ArrowInvalid:
            for part in self._parts(data):
                yield self._widened(part, head)
        else:
            yield Decoded(self._with_nulls(table), len(data), rejects)

    def _parts(self, data: bytes) -> Iterator[bytes]:
        """`data` in parts, so that what is read as texts is not much."""
        ends, _ = RecordEnds(self._delimiter).of(data)
        start = 0
        while len(data) - start > _BLOCK_BYTES:
            place = min(int(ends.searchsorted(start + _BLOCK_BYTES)), len(ends) - 1)
            stop = int(ends[place]) if place >= 0 else 0
            if stop <= start:
                break
            yield data[start:stop]
            start = stop
        if start < len(data):
            yield data[start:]

    def _widened(self, data: bytes, head: Head) -> Decoded:
        types = dict(head.types)
        while True:
            rejects: list[tuple[int, str]] = []
            try:
                table = self._parsed(data, head.names, types, rejects, whole=True)
            except self._arrow.ArrowInvalid as error:
                found = _COLUMN.search(str(error))
                name = head.names[int(found.group(1))] if found else None
                if name is None or types[name] == self._text:
                    raise
                types[name] = self._wider(name, types[name])
            else:
                return Decoded(self._with_nulls(table), len(data), rejects)

    def _wider(self, name: str, kind: Any) -> Any:
        # Whole numbers that pandas wrote beside nulls look like 1.0.
        whole = kind == self._arrow.int64() and self._columns is not None and name in self._columns.types
        return self._arrow.float64() if whole else self._text

    def _parsed(
        self,
        data: bytes,
        names: Sequence[str],
        types: Mapping[str, Any],
        rejects: list[tuple[int, str]],
        *,
        whole: bool = False,
    ) -> Any:
        def skip(row: Any) -> str:
            rejects.append((row.number - 1, f"{row.actual_columns} fields; the header has {row.expected_columns}"))
            return "skip"

        wanted = [name for name in names if self._only is None or name in self._only] or list(names)
        block = len(data) + 1 if whole else _BLOCK_BYTES
        return self._csv.read_csv(
            self._arrow.BufferReader(data),
            self._csv.ReadOptions(use_threads=False, block_size=block, column_names=list(names)),
            self._csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=b'"' in data, invalid_row_handler=skip
            ),
            self._csv.ConvertOptions(column_types=dict(types), include_columns=wanted, null_values=list(_NULLS)),
        )

    def _expected(self, names: Sequence[str]) -> dict[str, Any]:
        """The types that the signature tells."""
        arrow = self._arrow
        known = {
            "double": arrow.float64(),
            "float": arrow.float64(),
            "long": arrow.int64(),
            "integer": arrow.int64(),
            "boolean": arrow.bool_(),
            "datetime": arrow.timestamp("ns"),
        }
        if self._columns is None:
            return {}
        types = self._columns.types
        return {name: known.get(types[name], self._text) for name in names if name in types}

    def _inferred(self, sample: bytes, names: Sequence[str], known: Mapping[str, Any]) -> dict[str, Any]:
        """Types of the other columns: numbers and booleans if that loses nothing, otherwise texts."""
        arrow = self._arrow
        texts = {name: self._text for name in names if name not in known}
        if not texts or not sample.strip():
            return texts
        try:
            found = self._parsed(sample, names, {name: self._text for name in known}, [], whole=True)
            plain = self._parsed(sample, names, dict.fromkeys(names, arrow.string()), [], whole=True)
        except arrow.ArrowInvalid:
            return texts  # a field that is not UTF-8, or no column at all
        for name in texts.keys() & set(found.column_names):
            kind = found.schema.field(name).type
            if kind in (arrow.float64(), arrow.bool_()) or (
                kind == arrow.int64() and self._is_same(found, plain, name)
            ):
                texts[name] = kind
        return texts

    def _is_same(self, found: Any, plain: Any, name: str) -> bool:
        """False for numbers such as 007."""
        column = found.column(name)
        same = self._compute.equal(column.cast(self._arrow.string()), plain.column(name))
        return self._compute.all(same).as_py() is not False

    def _with_nulls(self, table: Any) -> Any:
        columns: list[Any] = table.columns
        for place, field in enumerate(table.schema):
            asked = self._columns is None or field.name in self._columns.types
            if asked and self._arrow.types.is_dictionary(field.type):
                columns[place] = self._without_nulls(columns[place])
        return self._arrow.table(columns, names=table.column_names) if columns else table

    def _without_nulls(self, column: Any) -> Any:
        arrow, compute = self._arrow, self._compute
        chunks: list[Any] = []
        for chunk in column.chunks:
            chunks.append(chunk)
            nothing = compute.is_in(chunk.dictionary, value_set=arrow.array(_NULLS))
            if compute.any(nothing).as_py():
                indices = compute.if_else(nothing.take(chunk.indices), arrow.scalar(None, arrow.int32()), chunk.indices)
                chunks[-1] = arrow.DictionaryArray.from_arrays(indices, chunk.dictionary)
        return arrow.chunked_array(chunks, column.type)
