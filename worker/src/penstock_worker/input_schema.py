"""The schema of a model's input for its OpenAPI document, derived from its signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock_worker.signature import Field, Signature

ANYTHING: dict[str, Any] = {"type": "object", "example": {}}

_TYPES: dict[str, dict[str, Any]] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "format": "int32"},
    "long": {"type": "integer", "format": "int64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "binary": {"type": "string", "format": "byte"},
    "datetime": {"type": "string", "format": "date-time"},
}


def input_schema_of(signature: Signature) -> dict[str, Any]:
    """The schema of a request body with `input_data` for a model with `signature`."""
    return _body(_tensors(signature.fields) if signature.tensors else _columns(signature.fields))


def single_input_schema_of(signature: Signature) -> dict[str, Any]:
    """The same for version 2, which has no alternatives: of a table's forms, the one with its columns."""
    schema = input_schema_of(signature)
    forms: list[dict[str, Any]] = schema["properties"]["input_data"].get("oneOf", [])
    return _body(forms[0]) if forms else schema


def _body(data: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["input_data"], "properties": {"input_data": data}}


def _columns(fields: tuple[Field, ...]) -> dict[str, Any]:
    names = [field.name for field in fields if field.name is not None]
    records: dict[str, Any] = {
        "type": "array",
        "items": {
            "type": "object",
            "required": [field.name for field in fields if field.required and field.name is not None],
            "properties": {field.name: _TYPES.get(field.type, {}) for field in fields if field.name is not None},
        },
    }
    rows: dict[str, Any] = {"type": "array", "items": {"type": "array", "items": {}}}
    if not names:
        return rows
    columns = {"type": "array", "items": {"type": "string"}, "example": names}
    split: dict[str, Any] = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {"columns": columns, "index": {"type": "array", "items": {}}, "data": rows},
    }
    return {"oneOf": [split, records]}


def _tensors(fields: tuple[Field, ...]) -> dict[str, Any]:
    if len(fields) == 1 and fields[0].name is None:
        return _nested(fields[0])
    return {
        "type": "object",
        "required": [field.name for field in fields if field.required],
        "properties": {field.name: _nested(field) for field in fields},
    }


def _nested(field: Field) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for size in reversed(field.shape):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema.update(minItems=size, maxItems=size)
    return schema
