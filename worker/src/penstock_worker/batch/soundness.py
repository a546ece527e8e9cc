"""Whether a table of a file holds what it says: Arrow believes files, and would read behind the end of a buffer, or
hand on a text that is no text."""

from __future__ import annotations

import importlib
from typing import Any


class Soundness:
    """Looks at the tables of one file. A dictionary that they share is looked at once."""

    def __init__(self) -> None:
        self._arrow: Any = importlib.import_module("pyarrow")
        self._compute: Any = importlib.import_module("pyarrow.compute")
        self._known: dict[str, Any] = {}  # dictionaries, which are kept so that no other one can lie at their place

    def checked(self, table: Any) -> Any:
        """`table`. Raises Arrow's error for columns that are not sound, UTF-8 among it."""
        types = self._arrow.types
        for place, field in enumerate(table.schema):
            column = table.column(place)
            try:
                if types.is_dictionary(field.type):
                    for chunk in column.chunks:
                        self._check_encoded(field.name, chunk)
                else:  # any bits are a number
                    column.validate(full=not (types.is_primitive(field.type) or types.is_decimal(field.type)))
            except (self._arrow.ArrowInvalid, IndexError) as error:
                raise self._arrow.ArrowInvalid(f"column {field.name!r}: {error}") from error
        return table

    def _check_encoded(self, name: str, chunk: Any) -> None:
        known, dictionary = self._known.get(name), chunk.dictionary
        if known is None or _places(known) != _places(dictionary):
            chunk.validate(full=True)
            self._known[name] = dictionary
            return
        extremes = self._compute.min_max(chunk.indices)
        low, high = extremes["min"].as_py(), extremes["max"].as_py()
        if low is not None and (low < 0 or high >= len(dictionary)):
            raise self._arrow.ArrowInvalid("it points behind the end of its dictionary")


def _places(array: Any) -> list[Any]:
    return [len(array), array.offset, *(buffer and buffer.address for buffer in array.buffers())]
