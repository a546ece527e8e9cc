"""What a model returns for rows, as Arrow columns: one, or one for each of what it gives for a row."""

from __future__ import annotations

from typing import Any

from penstock_worker.kinds import is_list, is_object
from penstock_worker.outputs import encode

PREDICTION = "prediction"
_ALWAYS_PLAIN = "biufM"  # kinds of numpy's types that Arrow takes as they are


class ResultError(Exception):
    """What the model returned is not one result for each row; the message says what it is."""


class Predictions:
    """Makes columns of results.

    Of an array or list with one value for each row, or a Series, the column `prediction`; of a matrix (predict_proba)
    `prediction_0`, `prediction_1` and so on, in the order of the model's classes; of a table or an object, its own.
    """

    def __init__(self, arrow: Any, numpy: Any) -> None:
        self._arrow = arrow
        self._numpy = numpy

    def columns(self, result: Any, rows: int) -> dict[str, Any]:
        """The columns of `result`, each with `rows` values. Raises `ResultError`."""
        columns = self._columns(result, rows)
        for column in columns.values():
            if len(column) != rows:
                raise ResultError(f"the model returned {len(column)} results for {rows} rows")
        if not columns:
            raise ResultError(f"the model returned {_kind(result)} without columns")
        return columns

    def single(self, result: Any) -> dict[str, Any]:
        """The columns of a result for one row, which may lack the axis of rows."""
        try:
            return self.columns(result, 1)
        except ResultError:
            return self.columns([result], 1)

    def _columns(self, result: Any, rows: int) -> dict[str, Any]:
        if hasattr(result, "toarray"):  # sparse matrices of scipy
            result = result.toarray()
        if hasattr(result, "columns") and hasattr(result, "iloc"):
            names = _distinct([str(name) for name in result.columns])
            return {name: self._array(result.iloc[:, at]) for at, name in enumerate(names)}
        if is_object(result):
            found: dict[str, Any] = {}
            for name, value in result.items():
                found.update(self._named(str(name), value, rows))
            return found
        if is_list(result) and result and all(is_object(item) for item in result):
            return self._of_records(result)
        return self._named(PREDICTION, result, rows)

    def _named(self, name: str, value: Any, rows: int) -> dict[str, Any]:
        """The columns of one value for each row: `name`, or `name_0` and so on for those of a matrix."""
        numpy = self._numpy
        if hasattr(value, "iloc"):
            return {name: self._array(value)}
        if isinstance(value, tuple):
            value = list(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if is_list(value):
            value = self._of_list(value)
        if not isinstance(value, numpy.ndarray) or value.ndim == 0:
            if rows != 1:
                raise ResultError(f"the model returned {_kind(value)} for {rows} rows")
            value = self._of_list([value])
        if value.ndim == 2 and value.dtype.kind in "biufUO":
            if value.shape[1] == 1:
                return {name: self._array(value[:, 0])}
            return {f"{name}_{at}": self._array(value[:, at]) for at in range(value.shape[1])}
        return {name: self._array(value if value.ndim == 1 else self._objects(value.tolist()))}

    def _of_records(self, records: list[dict[Any, Any]]) -> dict[str, Any]:
        names = dict.fromkeys(name for record in records for name in record)
        return {str(name): self._array(self._objects([record.get(name) for record in records])) for name in names}

    def _of_list(self, values: list[Any]) -> Any:
        """An array of the values: of numbers if all are, also for lists of numbers of one length."""
        try:
            found = self._numpy.array(values)
        except ValueError:  # lists of several lengths
            return self._objects(values)
        return found if found.dtype.kind in "biuf" else self._objects(values)

    def _objects(self, values: list[Any]) -> Any:
        array = self._numpy.empty(len(values), dtype=object)
        for at, value in enumerate(values):
            array[at] = value
        return array

    def _array(self, values: Any) -> Any:
        if getattr(values.dtype, "kind", "") in _ALWAYS_PLAIN and hasattr(values, "to_numpy"):
            values = values.to_numpy()
        arrow = self._arrow
        try:
            found = arrow.array(values)
        except (arrow.ArrowInvalid, arrow.ArrowTypeError, arrow.ArrowNotImplementedError, OverflowError):
            found = arrow.array([_text(value) for value in values], arrow.string())
        return found.combine_chunks() if hasattr(found, "chunks") else found


def _text(value: Any) -> str | None:
    """A value that Arrow has no type for, or not one for all: its JSON, or itself if it is a text."""
    if value is None or isinstance(value, str):
        return value
    return encode(value, wrapped=False).decode("utf-8")


def _distinct(names: list[str]) -> list[str]:
    """`names`, with a number behind those that were there before."""
    found: list[str] = []
    for name in names:
        number, own = 1, name
        while own in found:
            own, number = f"{name}_{number}", number + 1
        found.append(own)
    return found


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    kind: type[Any] = value.__class__
    return f"a {'' if kind.__module__ == 'builtins' else f'{kind.__module__}.'}{kind.__qualname__}"
