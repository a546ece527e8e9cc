"""Tables of rows in JSON: by Arrow's parser where all of a piece is as expected, otherwise row by row."""

from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

from penstock_worker.batch.decoded import Decoded
from penstock_worker.batch.lines import LineEnds
from penstock_worker.kinds import is_list, is_object, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from penstock_worker.batch.wanted import Columns

_HALF_CHARACTER = "a text has half of a character (\\ud800 to \\udfff stand in pairs)"


# Arrow's parser takes it for an object of nulls, or ends the process if a piece begins with it.
_NULL_LINE = re.compile(rb"(?:\A|\n)[ \t\r]*n")


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
            table = None if _has_null_line(data, ends) else self._parsed(data)
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
        good: list[tuple[int, dict[str, Any]]] = []
        rejects: list[tuple[int, str]] = []
        for place, (value, fault) in enumerate(rows):
            if fault or not is_object(value):
                rejects.append((place, fault or f"expected an object, got {kind_of(value)}"))
            else:
                good.append((place, value))
        try:
            table = self._table([row for _, row in good])
        except UnicodeEncodeError:
            rejects += [(place, _HALF_CHARACTER) for place, row in good if _has_half_character(row)]
            rejects.sort()
            table = self._table([row for _, row in good if not _has_half_character(row)])
        return Decoded(self._chosen(table), size, rejects)

    def _table(self, rows: list[dict[str, Any]]) -> Any:
        arrow = self._arrow
        names = dict.fromkeys((*self._types, *(name for row in rows for name in row))) if rows else {}
        if not names:  # a table is as long as its columns are
            return arrow.table({"": arrow.nulls(len(rows))}).select([])
        return arrow.table({name: self._column(name, [row.get(name) for row in rows]) for name in names})

    def _column(self, name: str, values: list[Any]) -> Any:
        arrow = self._arrow
        for kind in dict.fromkeys((self._types.get(name), None)):
            try:
                found = arrow.array(values, kind)
            except (arrow.ArrowInvalid, arrow.ArrowTypeError, OverflowError):
                continue
            if self._holds(found, values):
                return found
        return arrow.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], arrow.string())

    def _holds(self, column: Any, values: list[Any]) -> bool:
        """False if Arrow has cut something off: what is behind the point, fields that an object's type has not, or that
        a number was a truth."""
        types = self._arrow.types
        if not (types.is_integer(column.type) or types.is_floating(column.type) or types.is_nested(column.type)):
            return True
        return all(map(_is_all_of, column.to_pylist(), values))

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


def _has_half_character(row: Any) -> bool:
    """True for what JSON can spell and no encoding has."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _has_null_line(data: bytes, ends: Any) -> bool:
    numpy: Any = importlib.import_module("numpy")
    starts = ends[:-1] if data.endswith(b"\n") else ends
    begin = data.startswith(b"{") and (numpy.frombuffer(data, numpy.uint8)[starts] == ord("{")).all()
    return not begin and _NULL_LINE.search(data) is not None


def _is_all_of(kept: Any, value: Any) -> bool:
    if is_object(value) and is_object(kept):
        return all(inner is None or _is_all_of(kept.get(name), inner) for name, inner in value.items())
    if is_list(value) and is_list(kept):
        return len(value) == len(kept) and all(map(_is_all_of, kept, value))
    if isinstance(value, bool) != isinstance(kept, bool):
        return False
    return kept == value or (value != value and kept != kept)  # noqa: PLR0124 - NaN is not itself
