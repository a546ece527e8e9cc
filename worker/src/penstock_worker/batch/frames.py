"""Arrow columns as the pandas table that a model takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Frames:
    """Makes tables. Numbers become numpy's, nulls among them NaN; texts become Python's, as objects.

    MLflow refuses categories where a signature has strings, so each distinct text is made once, and shared.
    """

    def __init__(self, arrow: Any, numpy: Any, pandas: Any) -> None:
        self._arrow = arrow
        self._numpy = numpy
        self._pandas = pandas
        # The slices of a row group share its dictionaries, which may be much longer than they are.
        self._decoded: dict[str, tuple[Any, Any]] = {}

    def of(self, columns: Mapping[str, Any], rows: int) -> Any:
        """The DataFrame of Arrow columns. It is a copy: models may write to it."""
        found = {name: self._column(name, column) for name, column in columns.items()}
        return self._pandas.DataFrame(found, index=None if found else range(rows), copy=False)

    def joined(self, several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Columns of the same names and types below each other. None is copied."""
        return {
            name: self._arrow.chunked_array([part for columns in several for part in _chunks(columns[name])], kind.type)
            for name, kind in several[0].items()
        }

    def _column(self, name: str, column: Any) -> Any:
        types = self._arrow.types
        chunks = _chunks(column)
        column = chunks[0] if len(chunks) == 1 else column
        if types.is_dictionary(column.type):
            return self._objects(self._joined([self._texts(name, chunk) for chunk in chunks]))
        if types.is_nested(column.type):
            return self._objects(self._filled(column.to_pylist()))
        values = column.to_numpy(zero_copy_only=False)
        if values.dtype.kind == "O":
            return self._objects(values)
        return values if values.flags.writeable else values.copy()

    def _texts(self, name: str, chunk: Any) -> Any:
        dictionary = chunk.dictionary
        known = self._decoded.get(name)
        if known is None or not _is_same(known[0], dictionary):
            known = self._decoded[name] = (dictionary, self._filled([*dictionary.to_pylist(), None]))
        indices = chunk.indices
        if indices.null_count:  # the place behind the last text is that of null
            indices = indices.cast(self._arrow.int32()).fill_null(len(dictionary))
        return known[1][indices.to_numpy(zero_copy_only=False)]

    def _filled(self, values: list[Any]) -> Any:
        array = self._numpy.empty(len(values), dtype=object)
        array[:] = values
        return array

    def _joined(self, parts: list[Any]) -> Any:
        if len(parts) == 1:
            return parts[0]
        return self._numpy.concatenate(parts) if parts else self._filled([])

    def _objects(self, values: Any) -> Any:
        # Without the type, pandas 3 would make strings of its own of them.
        return self._pandas.Series(values, dtype=object, copy=False)


def _chunks(column: Any) -> list[Any]:
    return column.chunks if hasattr(column, "chunks") else [column]


def _is_same(one: Any, other: Any) -> bool:
    """True if two dictionaries lie at the same place in memory; both are alive, so that it can be no other's."""
    if one is other:
        return True
    if len(one) != len(other) or one.offset != other.offset:
        return False
    return [_address(buffer) for buffer in one.buffers()] == [_address(buffer) for buffer in other.buffers()]


def _address(buffer: Any) -> int:
    return 0 if buffer is None else buffer.address
