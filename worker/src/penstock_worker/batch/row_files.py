"""Rows written to a file in one of the forms of output. Nothing of them is kept but what the form must have at once."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from penstock_worker.batch.column_names import width_mark
from penstock_worker.batch.texts import json_text
from penstock_worker.outputs import encode

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.batch.column_names import ColumnNames

AZURE, PARQUET, CSV, JSONL = "azure", "parquet", "csv", "jsonl"
SUFFIXES = {AZURE: ".csv", PARQUET: ".parquet", CSV: ".csv", JSONL: ".jsonl"}

_SPECIAL = r'[",\r\n]'
_GROUP_BYTES = 64 * 1024 * 1024  # of rows that wait to become a row group


class OtherColumnsError(Exception):
    """Rows whose columns are not those of the rows before, where all rows must have the same."""


class RowFile(Protocol):
    """Writes Arrow tables, one below the other. All methods raise OSError."""

    @property
    def mark(self) -> str:
        """What the file's name must tell of it, once it is written."""
        ...

    def takes(self, table: Any) -> bool:
        """False if the table must go into another file, as its columns are not those of this one."""
        ...

    def write(self, table: Any) -> None: ...

    def close(self) -> None: ...


def row_file(form: str, path: Path, group_rows: int, names: ColumnNames) -> RowFile:
    """The file at `path`, which exists, for rows in `form`. `group_rows`: of a row group of Parquet."""
    if form == PARQUET:
        return _Parquet(path, group_rows)
    return _JsonLines(path) if form == JSONL else _Csv(path, names if form == CSV else None)


class _Parquet:
    """Row groups of a mini-batch's size; dictionaries for texts alone, as they cost more than they save elsewhere."""

    def __init__(self, path: Path, group_rows: int) -> None:
        self._arrow = importlib.import_module("pyarrow")
        self._parquet = importlib.import_module("pyarrow.parquet")
        self._sink = self._arrow.OSFile(str(path), "wb")
        self._group_rows = group_rows
        self._writer: Any = None
        self._waiting: list[Any] = []
        self._rows = self._bytes = 0
        self._common: Any = importlib.import_module("penstock_worker.batch.common_schema")

    mark = ""

    def takes(self, table: Any) -> bool:
        if self._writer is None or table.schema.equals(self._writer.schema):
            return True
        table = _storable(table, self._arrow)
        own = self._writer.schema
        both = self._common.common_schema([own, table.schema])
        return (both.names, both.types) == (own.names, own.types)

    def write(self, table: Any) -> None:
        table = _storable(table, self._arrow)
        self._waiting.append(table)
        self._rows += table.num_rows
        self._bytes += table.nbytes
        if self._rows >= self._group_rows or self._bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._sink.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        tables, self._waiting = self._waiting, []
        self._rows = self._bytes = 0
        if self._writer is None:
            schema = self._common.common_schema(table.schema for table in tables).remove_metadata()
            texts = [field.name for field in schema if _is_text(field.type, self._arrow)]
            self._writer = self._parquet.ParquetWriter(self._sink, schema, use_dictionary=texts or False)
        schema = self._writer.schema
        conformed = (t if t.schema.equals(schema) else self._common.fitted(t, schema) for t in tables)
        whole = self._arrow.concat_tables(conformed)
        self._writer.write_table(whole, row_group_size=max(1, whole.num_rows))


class _Csv:
    """Without a header, which final files get: see `column_names.py`."""

    def __init__(self, path: Path, names: ColumnNames | None) -> None:
        self._arrow = importlib.import_module("pyarrow")
        self._compute = importlib.import_module("pyarrow.compute")
        self._csv = importlib.import_module("pyarrow.csv")
        self._sink = self._arrow.OSFile(str(path), "wb")
        self._names = names
        self._width = 0  # columns of the rows so far

    @property
    def mark(self) -> str:
        return width_mark(self._width) if self._names is not None and self._names.grow else ""

    def takes(self, table: Any) -> bool:
        return self._names is None or self._width in (0, len(self._agreed(self._names, table)))

    def write(self, table: Any) -> None:
        if self._names is not None:
            names, nothing = self._agreed(self._names, table), self._arrow.nulls(table.num_rows)
            there = set(table.column_names)
            table = self._arrow.table({name: table.column(name) if name in there else nothing for name in names})
            self._width = len(names)
        flat = _flat(table, self._arrow)
        # Arrow's `needed` puts all texts in quotes.
        style = "needed" if any(self._is_special(column) for column in flat.columns) else "none"
        self._csv.write_csv(flat, self._sink, self._csv.WriteOptions(include_header=False, quoting_style=style))

    def _agreed(self, names: ColumnNames, table: Any) -> list[str]:
        try:
            return names.agreed(table.column_names)
        except ValueError as error:
            raise OtherColumnsError(str(error)) from error

    def _is_special(self, column: Any) -> bool:
        """True for texts of which one cannot stand without quotes."""
        if not _is_text(column.type, self._arrow):
            return False
        compute = self._compute
        return bool(compute.any(compute.match_substring_regex(column, _SPECIAL)).as_py())

    def close(self) -> None:
        self._sink.close()


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    mark = ""

    def takes(self, table: Any) -> bool:
        return True

    def write(self, table: Any) -> None:
        self._file.write(b"".join(encode(row, wrapped=False) + b"\n" for row in _pythons(table)))

    def close(self) -> None:
        self._file.close()


def _storable(table: Any, arrow: Any) -> Any:
    """`table` with JSON for what has no form in Parquet."""
    for at, field in enumerate(table.schema):
        if not _has_parquet_form(field.type, arrow.types):
            texts = [json_text(value) for value in table.column(at).to_pylist()]
            table = table.set_column(at, field.name, arrow.array(texts, arrow.string()))
    return table


def _has_parquet_form(kind: Any, types: Any) -> bool:
    if types.is_struct(kind) and not kind.num_fields:
        return False
    if types.is_interval(kind) or types.is_union(kind) or getattr(types, "is_run_end_encoded", types.is_union)(kind):
        return False
    return not types.is_nested(kind) or all(
        _has_parquet_form(kind.field(at).type, types) for at in range(kind.num_fields)
    )


def _pythons(table: Any) -> list[dict[str, Any]]:
    """Rows as Python has them. What it or JSON has not stands there as in CSV: durations, and times of far away."""
    types: Any = importlib.import_module("pyarrow").types
    try:
        if not any(types.is_duration(kind) for kind in table.schema.types):
            return table.to_pylist()
    except (OverflowError, ValueError):
        pass
    for at, field in enumerate(table.schema):
        if types.is_duration(field.type):
            table = table.set_column(at, field.name, table.column(at).cast("int64"))
        elif types.is_timestamp(field.type) and not _has_python_form(table.column(at)):
            table = table.set_column(at, field.name, table.column(at).cast("string"))
    return table.to_pylist()


def _has_python_form(column: Any) -> bool:
    try:
        column.to_pylist()
    except (OverflowError, ValueError):
        return False
    return True


def _is_text(kind: Any, arrow: Any) -> bool:
    types = arrow.types
    return types.is_dictionary(kind) or types.is_string(kind) or types.is_large_string(kind)


def _flat(table: Any, arrow: Any) -> Any:
    """`table` with JSON for what has no form in CSV."""
    types = arrow.types
    for at, field in enumerate(table.schema):
        if types.is_dictionary(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(field.type.value_type))
        kind = table.schema.field(at).type
        if types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
            values = table.column(at).to_pylist()
            texts = [None if value is None else encode(value, wrapped=False).decode("utf-8") for value in values]
            table = table.set_column(at, field.name, arrow.array(texts, arrow.string()))
        elif not _has_csv_form(kind, arrow):
            texts = [json_text(value) for value in table.column(at).to_pylist()]
            table = table.set_column(at, field.name, arrow.array(texts, arrow.string()))
    return table


def _has_csv_form(kind: Any, arrow: Any) -> bool:
    """True for what Arrow writes to CSV."""
    types = arrow.types
    plain = types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind) or _is_text(kind, arrow)
    return plain and not types.is_interval(kind)
