"""Tables of rows in JSON: by Arrow's parser where all of a piece is as expected, otherwise row by row."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.decoded import Decoded
from penstock_worker.batch.lines import LineEnds
from penstock_worker.kinds import is_object, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock_worker.batch.wanted import Columns


class JsonRows:
    """Reads for a model's `columns`; of others, only those in `only`, if that is given."""

    def __init__(self, columns: Columns | None, only: frozenset[str] | None = None) -> None:
        self._arrow: Any = importlib.import_module("pyarrow")
        self._json: Any = importlib.import_module("pyarrow.json")
        self._only = only
        self._types: dict[str, Any] = {}
        self._known = self._expected(columns)

    def learn(self, sample: bytes) -> None:
        """Take the types of columns that the model's signature has no word for from the first rows of the file."""
        types = self._arrow.types
        for field in self.read(sample).table.schema:
            kind = self._known.get(field.name, field.type)
            # A text that looks like a time in the sample may look otherwise later, and would be written otherwise.
            text = types.is_null(kind) or types.is_timestamp(kind)
            self._types[field.name] = self._arrow.string() if text else kind

    def read(self, data: bytes) -> Decoded:
        """The rows of lines."""
        ends, empty = (lines := LineEnds()).of(data)
        rows = len(ends) - int(empty.sum()) + lines.begun
        if not rows:
            return Decoded(self._arrow.table({}), len(data))
        try:
            table = self._parsed(data)
        except self._arrow.ArrowInvalid:
            table = None
        if table is None or table.num_rows != rows:
            return self._decoded(_values(data.split(b"\n")), len(data))
        return Decoded(self._chosen(table), len(data))

    def of_values(self, values: Iterable[Any]) -> Decoded:
        """The rows of values that have been parsed."""
        return self._decoded(((value, "") for value in values), 0)

    def _expected(self, columns: Columns | None) -> dict[str, Any]:
        arrow = self._arrow
        known = {
            "double": arrow.float64(),
            "float": arrow.float64(),
            "long": arrow.int64(),
            "integer": arrow.int64(),
            "boolean": arrow.bool_(),
            "string": arrow.string(),
            "datetime": arrow.string(),
            "binary": arrow.string(),
        }
        if columns is None:
            return {}
        return {name: known[kind] for name, kind in columns.types.items() if kind in known}

    def _parsed(self, data: bytes) -> Any:
        return self._json.read_json(
            self._arrow.BufferReader(data),
            self._json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            self._json.ParseOptions(explicit_schema=self._arrow.schema(list(self._types.items()))),
        )

    def _decoded(self, rows: Iterable[tuple[Any, str]], size: int) -> Decoded:
        good: list[dict[str, Any]] = []
        rejects: list[tuple[int, str]] = []
        for place, (value, fault) in enumerate(rows):
            if fault or not is_object(value):
                rejects.append((place, fault or f"expected an object, got {kind_of(value)}"))
            else:
                good.append(value)
        names = dict.fromkeys((*self._types, *(name for row in good for name in row))) if good else {}
        table = self._arrow.table({name: self._column(name, [row.get(name) for row in good]) for name in names})
        return Decoded(self._chosen(table), size, rejects)

    def _column(self, name: str, values: list[Any]) -> Any:
        arrow = self._arrow
        for kind in dict.fromkeys((self._types.get(name), None)):
            try:
                return arrow.array(values, kind)
            except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError):
                pass
        return arrow.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], arrow.string())

    def _chosen(self, table: Any) -> Any:
        """Without columns that nobody wants."""
        wanted = [name for name in table.column_names if self._only is None or name in self._only]
        return table.select(wanted or table.column_names)


def _values(lines: Iterable[bytes]) -> Iterable[tuple[Any, str]]:
    for line in lines:
        if line.strip():
            try:
                yield json.loads(line), ""
            except (ValueError, RecursionError) as error:
                yield None, f"no JSON: {error}"
