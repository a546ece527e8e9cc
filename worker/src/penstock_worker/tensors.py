"""Nested lists as numpy arrays of the types and shapes that a signature with tensors declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.kinds import is_list, is_object
from penstock_worker.payload import refusal
from penstock_worker.table import is_split, table_of

if TYPE_CHECKING:
    from penstock_worker.payload import Payload
    from penstock_worker.signature import Field, Signature


def tensors_of(payload: Payload, signature: Signature, numpy: Any) -> Any:
    """The array of an unnamed tensor, or a dict of arrays. Raises `BadInputError` naming the tensor at fault."""
    fields, data = signature.fields, payload.data
    if not signature.named:
        rows = data["data"] if is_split(data) else data
        return _array(fields[0], payload.key, rows, numpy)
    named = _by_name(payload, signature)
    missing = [field.name for field in fields if field.required and field.name not in named]
    if missing:
        names = ", ".join(map(repr, missing))
        raise refusal(f"{payload.key} lacks {names}; the model expects {', '.join(signature.names)}")
    return {
        field.name: _array(field, f"{payload.key}.{field.name}", named[field.name], numpy)
        for field in fields
        if field.name in named
    }


def array_of(label: str, value: Any, numpy: Any, dtype: str | None = None) -> Any:
    """`value` as an array; raises `BadInputError` if it is ragged or does not convert to `dtype`."""
    try:
        found = numpy.array(value)
        result = found if dtype is None else numpy.array(value, dtype=dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise refusal(f"{label} cannot be read as an array{f' of {dtype}' if dtype else ''}: {error}") from error
    if result.dtype.kind in "iu" and found.dtype.kind == "f" and not numpy.array_equal(found, result):
        raise refusal(f"{label} must hold whole numbers ({dtype})")
    return result


def _by_name(payload: Payload, signature: Signature) -> dict[str, Any]:
    data = payload.data
    if is_split(data):
        table = table_of(payload, None)
        return dict(zip(table.names or signature.names, table.columns))  # noqa: B905 - Python 3.9
    if is_object(data):
        return data
    if is_list(data) and data and all(is_object(row) for row in data):
        # One object per row, each with a value of every tensor.
        absent = [(row, name) for row, item in enumerate(data) for name in signature.names if name not in item]
        if absent:
            raise refusal(f"{payload.key}: row {absent[0][0]} lacks {absent[0][1]!r}")
        return {name: [item[name] for item in data] for name in signature.names}
    if len(signature.fields) == 1:
        return {signature.names[0]: data}
    raise refusal(f"{payload.key} must be an object with the keys {', '.join(signature.names)}")


def _array(field: Field, label: str, value: Any, numpy: Any) -> Any:
    dtype = "str" if field.type.startswith(("<U", "str")) else field.type
    array = array_of(label, value, numpy, dtype)
    shape = array.shape
    fits = len(shape) == len(field.shape) and all(size in (-1, shape[axis]) for axis, size in enumerate(field.shape))
    if not fits and dtype != "object":
        raise refusal(f"{label} has shape {array.shape}; expected {field.shape}")
    return array
