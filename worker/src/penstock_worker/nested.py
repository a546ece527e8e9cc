"""Lists and objects within a column: JSON's whole numbers where MLflow's nested types want numbers with a fraction."""

from __future__ import annotations

from typing import Any

from penstock_worker.kinds import is_list, is_object


def with_fractions(value: Any, kind: Any) -> Any:
    """`value` with floats for whole numbers where MLflow's type `kind` says double or float.

    All else stays as it is, for MLflow to accept or refuse; `kind` is one of its Array, Object, Map or DataType.
    """
    word = type(kind).__name__
    if word == "DataType":
        return _number(value) if kind.name in ("double", "float") else value
    if word == "Array" and is_list(value):
        return [with_fractions(item, kind.dtype) for item in value]
    if word == "Map" and is_object(value):
        return {name: with_fractions(item, kind.value_type) for name, item in value.items()}
    if word == "Object" and is_object(value):
        kinds = {each.name: each.dtype for each in kind.properties}
        return {name: with_fractions(item, kinds.get(name)) for name, item in value.items()}
    return value


def _number(value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if whole and abs(value) <= 2**1023 else value
