"""The rows that original and compiled model are compared on, as tables or arrays that the signature takes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock_worker.columns import DTYPES
from penstock_worker.compiler.contract import MATCH
from penstock_worker.compiler.report import CompileError
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.compiler.original import Original
    from penstock_worker.signature import Field

_BATCH = 1000  # rows


class Rows:
    """Real rows, and ones made up of the first. Raises `CompileError` for data that does not fit the signature."""

    def __init__(self, original: Original, data: Path, most: int) -> None:
        self._pandas: Any = importlib.import_module("pandas")
        self.numpy: Any = importlib.import_module("numpy")
        self._original = original
        self._table = self._fitting(self._read(data, most), data.name)
        self.count = len(self._table)

    def batches(self) -> Iterator[Any]:
        """All rows, a thousand at a time."""
        for start in range(0, self.count, _BATCH):
            yield self._input(self._table.iloc[start : start + _BATCH])

    def first(self, count: int) -> Any:
        """That many rows; the data is gone through again where it has fewer."""
        places = self.numpy.arange(count) % self.count
        return self._input(self._table.iloc[places].reset_index(drop=True))

    def matrix(self, data: Any) -> Any:
        """Input as an array of numbers."""
        return data.to_numpy(dtype="float64") if hasattr(data, "columns") else data

    def with_value(self, places: list[int], value: float) -> Any:
        """The first row once for each of the columns at `places`, which has `value` there."""
        table = self._table.iloc[[0] * len(places)].reset_index(drop=True)
        for row, place in enumerate(places):
            table.iloc[row, place] = value
        return self._input(table)

    def with_values(self, places: list[int], value: float) -> Any:
        """The first row with `value` in all columns at `places`."""
        table = self._table.iloc[[0]].reset_index(drop=True)
        for place in places:
            table.iloc[0, place] = value
        return self._input(table)

    def _input(self, table: Any) -> Any:
        signature = self._original.signature
        return table.to_numpy(dtype=signature.fields[0].type) if signature.tensors else table

    def _read(self, data: Path, most: int) -> Any:
        texts = {name: str for name in self._original.strings}
        try:
            if data.suffix == ".csv":
                return self._pandas.read_csv(data, nrows=most, dtype=texts, float_precision="round_trip")
            if data.suffix == ".parquet":
                return self._pandas.read_parquet(data).head(most)
            return self._pandas.read_json(
                data, lines=True, nrows=most, dtype=False, convert_dates=False, precise_float=True
            )
        except Exception as error:
            raise CompileError(MATCH, "DataNotReadable", f"{data.name} cannot be read: {summary(error)}") from error

    def _fitting(self, table: Any, name: str) -> Any:
        """The columns of the signature, in its order and types."""
        if not len(table):
            raise _unfit(f"{name} has no rows")
        names = self._original.columns
        if names is not None:
            missing = [column for column in names if column not in table.columns]
            if missing:
                raise _unfit(f"{name} lacks columns of the model's signature: {', '.join(map(repr, missing[:20]))}")
            table = table[names]
        elif len(table.columns) != self._original.width:
            raise _unfit(f"{name} has {len(table.columns)} columns, and the model takes {self._original.width}")
        if self._original.signature.tensors:
            return table.astype("float64")
        fields = self._original.signature.fields
        columns = {place: self._column(field, table.iloc[:, place], name) for place, field in enumerate(fields)}
        frame = self._pandas.DataFrame(columns)
        return frame.set_axis(names, axis=1) if names is not None else frame

    def _column(self, field: Field, values: Any, name: str) -> Any:
        values = values.reset_index(drop=True)
        try:
            if field.type == "string":
                return values.astype(object).where(values.notna(), None)
            return values.astype(DTYPES[field.type])
        except Exception as error:
            told = f"{name}: column {field.name!r} cannot be taken as {field.type}: {summary(error)}"
            raise _unfit(told) from error


def _unfit(message: str) -> CompileError:
    return CompileError(MATCH, "DataDoesNotFit", message)
