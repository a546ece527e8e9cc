"""Rows of output: what is kept of the input, and the predictions beside it. Never by way of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.batch.predictions import PREDICTION
from penstock_worker.batch.row_files import AZURE
from penstock_worker.outputs import encode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_worker.batch_contract import Order
    from penstock_worker.signature import Signature

FILE_NAME, ROW, REASON = "file_name", "row", "reason"
ALL = "*"  # in keep_columns
_OWN = "model_"  # before names of predictions that a kept column has, too


class OutputRows:
    """Makes tables of output for an order.

    Azure's form has the columns row, prediction and file_name; several values for a row are a JSON list there. The
    others have the kept columns and those of the predictions; where no column is kept, file_name and row stand in for
    them, as nothing else would say which row it is.
    """

    def __init__(self, order: Order, arrow: Any, compute: Any) -> None:
        self._azure = order.output_format == AZURE
        self._keeps_all = ALL in order.keep_columns and not self._azure
        self._kept: Sequence[str] = () if self._azure else order.keep_columns
        self._arrow = arrow
        self._compute = compute

    def needed(self, signature: Signature | None) -> list[str] | None:
        """The columns of the input that must be read; None: all of them."""
        if signature is None or signature.tensors or not signature.named or self._keeps_all:
            return None
        return list(dict.fromkeys((*signature.names, *self._kept)))

    def kept(self, table: Any) -> Any:
        """The columns of an input's table that are kept; nulls for one that it does not have."""
        if self._keeps_all:
            return table
        arrow, there = self._arrow, table.column_names
        names = list(dict.fromkeys(self._kept))
        if all(name in there for name in names):
            return table.select(names)
        nothing = arrow.nulls(table.num_rows)
        return arrow.table({name: table.column(name) if name in there else nothing for name in names})

    def names(self, names: Sequence[str], counts: Sequence[int]) -> Any:
        """The column of the names of files, of which each has as many rows as its count says."""
        arrow = self._arrow
        if len(names) == 1:
            places = arrow.nulls(counts[0], arrow.int32()).fill_null(0)
        else:
            places = arrow.array([at for at, count in enumerate(counts) for _ in range(count)], arrow.int32())
        return arrow.DictionaryArray.from_arrays(places, arrow.array(names, arrow.string()))

    def table(self, kept: Any, rows: Any, names: Any, predictions: Mapping[str, Any]) -> Any:
        """The output for rows. `kept` are their kept columns, `rows` their numbers, `names` those of their files."""
        arrow = self._arrow
        if self._azure:
            return arrow.table({ROW: rows, PREDICTION: self._single(predictions), FILE_NAME: names})
        columns = {} if self._kept else {FILE_NAME: names, ROW: rows}
        columns.update(zip(kept.column_names, kept.columns))  # noqa: B905 - Python 3.9
        for name, column in predictions.items():
            own = name
            while own in columns:
                own = f"{_OWN}{own}"
            columns[own] = column
        return arrow.table(columns)

    def rejects(self, names: Any, rows: Any, reasons: Sequence[str]) -> Any:
        """The lines of rows that are set aside."""
        return self._arrow.table({FILE_NAME: names, ROW: rows, REASON: list(reasons)})

    def _single(self, predictions: Mapping[str, Any]) -> Any:
        """One column of all: their values in a JSON list for each row."""
        columns = list(predictions.values())
        if len(columns) == 1:
            return columns[0]
        arrow, compute = self._arrow, self._compute
        if not all(arrow.types.is_floating(c.type) or arrow.types.is_integer(c.type) for c in columns):
            rows = zip(*(column.to_pylist() for column in columns))  # noqa: B905 - Python 3.9
            return arrow.array([encode(list(row), wrapped=False).decode("utf-8") for row in rows], arrow.string())
        texts = [self._number_text(column) for column in columns]
        inner = compute.binary_join_element_wise(*texts, ", ", null_handling="replace", null_replacement="null")
        return compute.binary_join_element_wise("[", inner, "]", "")

    def _number_text(self, column: Any) -> Any:
        """Numbers as JSON has them, which has none that are not finite."""
        compute = self._compute
        if self._arrow.types.is_floating(column.type):
            column = compute.if_else(compute.is_finite(column), column, self._arrow.scalar(None, column.type))
        return column.cast(self._arrow.string())
