"""Records as files for other tools: lines as they were written, Parquet, CSV."""

# pyright: reportUnknownMemberType=false
# Polars' types name those of packages that it does not need, and that are not here.

import json
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_CHUNK = 1024 * 1024  # bytes


class Format(StrEnum):
    """`jsonl`: Azure's lines; the others have a row for each row of data."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    CSV = "csv"


def exported(table: "pl.DataFrame", form: Format) -> Iterator[bytes]:
    """The bytes of a file with `table`, in pieces."""
    with tempfile.TemporaryFile() as file:
        if form is Format.CSV:
            _flat(table).write_csv(file)
        else:
            table.write_parquet(file)
        file.seek(0)
        while chunk := file.read(_CHUNK):
            yield chunk


def _flat(table: "pl.DataFrame") -> "pl.DataFrame":
    """`table` with JSON for lists and objects, which CSV has no form for."""
    import polars as pl

    nested = [name for name, kind in table.schema.items() if kind.is_nested()]
    return table.with_columns(
        pl.Series(name, [_text(value) for value in table.get_column(name).to_list()], pl.String) for name in nested
    )


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
