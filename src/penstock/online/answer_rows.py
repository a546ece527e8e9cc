"""Rows of an answer, in whichever of the usual forms it comes. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

Rows = Sequence[Any]


def rows_of(body: bytes) -> Rows | None:
    """One entry per row of an answer, or None if it is no JSON.

    Known are lists (also within a text, as scripts that call json.dumps answer), MLflow's {"predictions": ...}, the
    outputs of the Open Inference Protocol, and objects of columns of one length. Anything else is one row.
    """
    try:
        value: Any = json.loads(body)
        if isinstance(value, str):
            value = _within(value)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        value = fields.get("predictions", fields)
        tensors = _tensors(fields.get("outputs"))
        if tensors is not None:
            return tensors
    if isinstance(value, dict):
        return _columns(cast(dict[str, Any], value))
    return cast(list[Any], value) if isinstance(value, list) else [value]


def _within(text: str) -> Any:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return text
    return cast(Any, value) if isinstance(value, list | dict) else text


def _columns(fields: Mapping[str, Any]) -> Rows:
    """Rows of columns as objects; an object that is something else is a row."""
    columns = list(fields.values())
    if not columns or not all(isinstance(column, list) for column in columns) or len({*map(len, columns)}) > 1:
        return [fields]
    return [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]


def _tensors(outputs: Any) -> Rows | None:
    """Rows of tensors, whose first dimension counts them; None if these are no tensors of one number of rows."""
    if not isinstance(outputs, list) or not outputs:
        return None
    columns: dict[str, Rows] = {}
    for tensor in cast(list[Any], outputs):
        rows = _tensor(cast(dict[str, Any], tensor)) if isinstance(tensor, dict) else None
        if rows is None:
            return None
        columns[str(cast(dict[str, Any], tensor).get("name"))] = rows
    if len({len(rows) for rows in columns.values()}) > 1:
        return None
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _tensor(tensor: Mapping[str, Any]) -> Rows | None:
    data, shape = tensor.get("data"), tensor.get("shape")
    if not isinstance(data, list) or not isinstance(shape, list) or not shape:
        return None
    values, count = cast(list[Any], data), cast(list[Any], shape)[0]
    if not isinstance(count, int) or count < 1 or len(values) % count:
        return None
    width = len(values) // count
    return values if width == 1 else [values[n * width : (n + 1) * width] for n in range(count)]
