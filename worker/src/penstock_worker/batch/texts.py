"""Columns of texts with each distinct one once: models get objects that rows share, which is the fastest for both."""

from __future__ import annotations

import importlib
from typing import Any


def is_text(kind: Any) -> bool:
    types: Any = importlib.import_module("pyarrow").types
    view = getattr(types, "is_string_view", None)  # newer than some models' pyarrow
    return types.is_string(kind) or types.is_large_string(kind) or (view is not None and view(kind))


def shared(table: Any) -> Any:
    """`table` with all its columns of texts encoded by dictionaries, one for each column."""
    arrow: Any = importlib.import_module("pyarrow")
    for place, field in enumerate(table.schema):
        if is_text(field.type):
            column = table.column(place)
            view = not (arrow.types.is_string(field.type) or arrow.types.is_large_string(field.type))
            plain = column.cast(arrow.string()) if view else column
            table = table.set_column(place, field.name, plain.dictionary_encode())
    several = any(column.num_chunks > 1 and arrow.types.is_dictionary(column.type) for column in table.columns)
    return table.unify_dictionaries() if several else table
