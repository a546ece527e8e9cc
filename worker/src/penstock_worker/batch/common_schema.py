"""One Arrow schema for the rows of several files, whatever each of them took a column for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from penstock_worker.batch.texts import json_text

pyarrow: Any = importlib.import_module("pyarrow")  # of the model's environment, not ours
types: Any = pyarrow.types

_TIME_UNITS = ("s", "ms", "us", "ns")


def common_schema(schemas: Iterable[Any]) -> Any:
    """A column is of the one type that takes the values of all: of integers and floats the wider, of a dictionary what
    it is of, of what has nothing in common text. One that a schema lacks has nulls there.

    Raises ValueError if two columns have one name.
    """
    fields: dict[str, Any] = {}
    for number, schema in enumerate(schemas):
        if len(set(schema.names)) != len(schema.names):
            raise ValueError(f"of the columns {', '.join(schema.names)}, two have the same name")
        for field in schema:
            if field.name in fields:
                fields[field.name] = _common_field(fields[field.name], field)
            else:
                fields[field.name] = field.with_nullable(field.nullable or number > 0)
        for name in fields.keys() - set(schema.names):
            fields[name] = fields[name].with_nullable(True)
    return pyarrow.schema(list(fields.values()))


def fitted(table: Any, schema: Any) -> Any:
    """The rows of `table` as `schema`, which was made of its own and others, has them."""
    return pyarrow.table([_fitted(table, field) for field in schema], schema=schema)


def is_text(kind: Any) -> bool:
    """True for what is written with a dictionary."""
    kind = _values_of(kind)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind)


def _common_field(one: Any, other: Any) -> Any:
    return one.with_type(_common_type(one.type, other.type)).with_nullable(one.nullable or other.nullable)


def _common_type(one: Any, other: Any) -> Any:
    if one.equals(other):
        return one
    one, other = _values_of(one), _values_of(other)
    if one.equals(other) or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    return _wider(one, other)


def _wider(one: Any, other: Any) -> Any:
    if types.is_list(one) and types.is_list(other):
        return pyarrow.list_(_common_field(one.value_field, other.value_field))
    if _is_number(one) and _is_number(other):
        return _common_number(one, other)
    if types.is_timestamp(one) and types.is_timestamp(other) and one.tz == other.tz:
        return max(one, other, key=lambda kind: _TIME_UNITS.index(kind.unit))
    return pyarrow.string()


def _common_number(one: Any, other: Any) -> Any:
    floats = [kind for kind in (one, other) if types.is_floating(kind)]
    if len(floats) == 1:
        return pyarrow.float64()
    if floats or types.is_signed_integer(one) == types.is_signed_integer(other):
        return max(one, other, key=_bits)
    # A signed integer has to be wider than an unsigned one to take it.
    unsigned = one if types.is_unsigned_integer(one) else other
    signed = other if unsigned is one else one
    wider = {8: pyarrow.int16(), 16: pyarrow.int32()}.get(_bits(unsigned), pyarrow.int64())
    return max(signed, wider, key=_bits)


def _bits(kind: Any) -> int:
    return kind.bit_width


def _is_number(kind: Any) -> bool:
    return types.is_integer(kind) or types.is_floating(kind)


def _values_of(kind: Any) -> Any:
    return kind.value_type if types.is_dictionary(kind) else kind


def _fitted(table: Any, field: Any) -> Any:
    at = table.schema.get_field_index(field.name)
    if at < 0:
        return pyarrow.chunked_array([pyarrow.nulls(table.num_rows, field.type)], field.type)
    column = table.column(at)
    if types.is_dictionary(column.type) and not column.type.equals(field.type):
        column = column.cast(column.type.value_type)
    try:
        # A large integer that is a float elsewhere loses its last digits, as it does in pandas.
        return column.cast(field.type, safe=not _is_number(column.type))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError):
        return pyarrow.chunked_array([_as_texts(column.to_pylist(), field.type)], field.type)


def _as_texts(values: list[Any], kind: Any) -> Any:
    """Values of which Arrow makes no texts: their JSON, within lists that of each item."""
    if types.is_list(kind):
        inner = [None if value is None else _as_texts(value, kind.value_type).to_pylist() for value in values]
        return pyarrow.array(inner, kind)
    return pyarrow.array([json_text(value) for value in values], kind)
