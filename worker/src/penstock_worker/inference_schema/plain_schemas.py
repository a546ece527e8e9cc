"""Swagger's schemas of values of Python's own types, each with the value as its example."""

from __future__ import annotations

import base64
from datetime import date, datetime, time, timezone
from typing import Any, Callable

from penstock_worker.inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType

_DATE, _DATE_TIME, _TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f %z", "%H:%M:%S.%f %z"


def schema_of(value: Any) -> dict[str, Any]:
    """The schema of `value`: of its parts too, if it is a list or dict."""
    if isinstance(value, AbstractParameterType):
        return value.input_to_swagger()
    describe = _BY_TYPE.get(value.__class__)
    return describe(value) if describe is not None else {"type": "object", "example": value}


def list_schema(items: Any) -> dict[str, Any]:
    """Of a list, whose last item stands for all."""
    inner: dict[str, Any] = {"type": "object"}
    example: list[Any] = []
    for item in items:
        inner = schema_of(item)
        example.append(inner.pop("example"))
    return {"type": "array", "items": inner, "example": example}


def object_schema(fields: dict[str, Any]) -> dict[str, Any]:
    """Of an object, all of whose keys are required."""
    properties = {key: schema_of(value) for key, value in fields.items()}
    example = {key: schema.pop("example") for key, schema in properties.items()}
    return {"type": "object", "required": list(fields), "properties": properties, "example": example}


def _base64(value: bytes | bytearray) -> dict[str, Any]:
    return {"type": "string", "format": "byte", "example": base64.b64encode(value).decode("ascii")}


def _in_utc(value: Any) -> Any:
    return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)


_BY_TYPE: dict[type, Callable[[Any], dict[str, Any]]] = {
    int: lambda value: {"type": "integer", "format": "int64", "example": value},
    float: lambda value: {"type": "number", "format": "double", "example": value},
    bool: lambda value: {"type": "boolean", "example": value},
    str: lambda value: {"type": "string", "example": value},
    bytes: _base64,
    bytearray: _base64,
    date: lambda value: {"type": "string", "format": "date", "example": value.strftime(_DATE)},
    datetime: lambda value: {"type": "string", "format": "date-time", "example": _in_utc(value).strftime(_DATE_TIME)},
    time: lambda value: {"type": "string", "format": "time", "example": _in_utc(value).strftime(_TIME)},
    list: list_schema,
    tuple: list_schema,
    range: list_schema,
    dict: object_schema,
}
