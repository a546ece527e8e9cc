"""Predictions out of the answers of models, in the forms in which models answer. Pure; hostile answers are nothing."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from penstock.online.shift import Row, Value

_MOST_BYTES = 1_000_000  # of an answer that is read
_LONGEST_TEXT = 100  # of a class's name
_MOST_FIELDS = 8
_TABLES = ("predictions", "outputs", "result", "results", "output", "data")  # keys under which rows lie


# Fields of an object that are its prediction, and those that are about the answer itself.
_PREDICTIONS = frozenset(
    (
        "prediction",
        "predictions",
        "predicted",
        "label",
        "class",
        "score",
        "probability",
        "proba",
        "output",
        "result",
        "y",
    )
)
_ABOUT = re.compile(
    r"(.*_)?(version|model|model_name|deployment|id|uuid|pid|host|hostname|time|timestamp|date|"
    r"latency|duration|elapsed|seconds|ms|took|length)\Z"
)


def predictions(answer: bytes, columns: Sequence[str] = ()) -> Sequence[Row]:
    """The rows of a JSON answer, as columns with numbers and classes; none where there is nothing of the sort.

    Understood are lists of rows (Azure's scoring scripts), MLflow's `predictions`, V2's `outputs` with names, shapes
    and flat data, and objects. Of a row that is a list of numbers, as probabilities are, the place of the highest is
    taken for its class. Of objects `columns` are taken, or else the fields whose names say that they are predictions,
    or else all but those that are about the answer itself.
    """
    if len(answer) > _MOST_BYTES:
        return []
    try:
        found = json.loads(answer)
        if isinstance(found, str):  # a script that returns json.dumps(...), as Azure's samples do
            found = json.loads(found)
    except (ValueError, RecursionError):
        return []
    return [row for row in (_row(each, columns) for each in _rows(found)) if row]


def _rows(found: Any) -> Sequence[Any]:
    if isinstance(found, list):
        return cast(list[Any], found)
    if not isinstance(found, dict):
        return [found]
    fields = cast(dict[str, Any], found)
    tensors = fields.get("outputs")
    if isinstance(tensors, list) and all(map(_is_tensor, cast(list[Any], tensors))):
        return _v2_rows(cast(list[dict[str, Any]], tensors))
    table = next((fields[name] for name in _TABLES if isinstance(fields.get(name), list)), None)
    return cast(list[Any], table) if table is not None else [fields]


def _is_tensor(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    tensor = cast(dict[str, Any], found)
    return isinstance(tensor.get("data"), list) and isinstance(tensor.get("shape"), list)


def _v2_rows(tensors: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
    """Rows of tensors whose first dimension is the row's number."""
    columns: dict[str, Sequence[Any]] = {}
    for tensor in tensors[:_MOST_FIELDS]:
        data, shape = cast(list[Any], tensor["data"]), cast(list[Any], tensor["shape"])
        count = shape[0] if shape and isinstance(shape[0], int) else 0
        if count > 0 and len(data) >= count:
            width = len(data) // count
            name = str(tensor.get("name", "output"))
            columns[name] = data if width == 1 else [data[n * width : (n + 1) * width] for n in range(count)]
    length = min(map(len, columns.values()), default=0)
    return [{name: values[n] for name, values in columns.items()} for n in range(length)]


def _row(found: Any, columns: Sequence[str]) -> Row:
    if isinstance(found, dict):
        fields = cast(dict[str, Any], found)
        names = [name for name in fields if name in columns] if columns else _telling(fields)
        pairs = ((name[:_LONGEST_TEXT], _value(fields[name])) for name in names[:_MOST_FIELDS])
        return {name: value for name, value in pairs if value is not None}
    value = _value(found)
    return {} if value is None else {"prediction": value}


def _telling(fields: Mapping[str, Any]) -> Sequence[str]:
    named = [name for name in fields if name.lower() in _PREDICTIONS]
    return named or [name for name in fields if not _ABOUT.match(name.lower())]


def _value(found: Any) -> Value | None:
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, (int, float)):
        return _finite(found)
    if isinstance(found, str):
        return found[:_LONGEST_TEXT]
    if isinstance(found, list) and found:
        values = cast(list[Any], found)
        if len(values) == 1:
            return _value(values[0]) if not isinstance(values[0], list) else None
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
            return f"class {max(range(len(values)), key=lambda n: values[n])}"
    return None


def _finite(number: float) -> float | None:
    try:
        value = float(number)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None
