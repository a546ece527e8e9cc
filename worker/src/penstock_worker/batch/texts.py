"""Columns of texts with each distinct one once: models get objects that rows share, which is the fastest for both."""

from __future__ import annotations

import importlib
from typing import Any
from uuid import UUID

from penstock_worker.outputs import encode


def json_text(value: Any) -> str | None:
    """The JSON of a value; a text, or an id, is itself."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, UUID):
        return str(value)
    return encode(value, wrapped=False).decode("utf-8")


def is_text(kind: Any) -> bool:
    types: Any = importlib.import_module("pyarrow").types
    view = getattr(types, "is_string_view", None)  # newer than some models' pyarrow
    return types.is_string(kind) or types.is_large_string(kind) or (view is not None and view(kind))


def shared(table: Any) -> Any:
    """`table` with all its columns of texts encoded by dictionaries, one for each column."""
    arrow: Any = importlib.import_module("pyarrow")
    columns: list[Any] = table.columns
    texts = [place for place, field in enumerate(table.schema) if is_text(field.type)]
    for place in texts:
        column = columns[place]
        view = not (arrow.types.is_string(column.type) or arrow.types.is_large_string(column.type))
        columns[place] = (column.cast(arrow.string()) if view else column).dictionary_encode()
    if texts:
        table = arrow.table(columns, names=table.column_names)
    several = any(column.num_chunks > 1 and arrow.types.is_dictionary(column.type) for column in columns)
    return table.unify_dictionaries() if several else table


def trimmed(table: Any) -> Any:
    """`table` with no values in its dictionaries but those of its rows."""
    arrow: Any = importlib.import_module("pyarrow")
    columns: list[Any] = table.columns
    for place, column in enumerate(columns):
        if arrow.types.is_dictionary(column.type):
            columns[place] = column.cast(column.type.value_type).dictionary_encode()
    return arrow.table(columns, names=table.column_names)
