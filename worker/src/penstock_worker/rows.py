"""Tables, arrays and other values as rows for a record, as a DataFrame made of them would have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.kinds import is_list, is_object

if TYPE_CHECKING:
    from collections.abc import Sequence


def rows_of(value: Any) -> list[dict[str, Any]]:
    """One object per row. Columns without a name are called "0", "1" and so on."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [_named(row) for row in value.to_dict(orient="records")]
    if hasattr(value, "to_frame") and hasattr(value, "index"):
        return rows_of(value.to_frame())
    value = _plain(value)
    if is_list(value):
        return [_row(item) for item in value]
    if is_object(value):
        return _rows_of_columns({str(name): _plain(item) for name, item in value.items()})
    return [{"0": value}]


def matrix_rows(matrix: Any, names: Sequence[Any], whole: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of a matrix of numbers; the columns at the places `whole` hold whole numbers."""
    texts = [str(name) for name in names]
    rows = matrix.tolist()
    if matrix.dtype.kind == "f":
        for row in rows:
            for place in whole:
                row[place] = int(row[place])
    return [dict(zip(texts, row)) for row in rows]  # noqa: B905 - Python 3.9


def column_rows(columns: dict[Any, list[Any]], rows: int) -> list[dict[str, Any]]:
    """The rows of a table that is kept by columns."""
    texts = [str(name) for name in columns]
    if not texts:
        return [{} for _ in range(rows)]
    return [dict(zip(texts, row)) for row in zip(*columns.values())]  # noqa: B905 - Python 3.9


def _plain(value: Any) -> Any:
    """Arrays and their numbers as Python's own."""
    if getattr(getattr(value, "dtype", None), "kind", "") in ("b", "i", "u", "f", "U") and hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if getattr(value, "ndim", 0) and hasattr(value, "dtype") else value


def _row(item: Any) -> dict[str, Any]:
    item = _plain(item)
    if is_object(item):
        return _named(item)
    if is_list(item) or isinstance(item, tuple):
        return {str(place): part for place, part in enumerate(item)}  # pyright: ignore
    return {"0": item}


def _rows_of_columns(columns: dict[str, Any]) -> list[dict[str, Any]]:
    lengths = {len(column) if is_list(column) else -1 for column in columns.values()}
    if len(lengths) == 1 and -1 not in lengths:
        return column_rows(columns, lengths.pop())
    return [columns]


def _named(row: dict[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}
