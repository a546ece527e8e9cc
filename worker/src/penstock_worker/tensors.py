"""Nested lists as numpy arrays of the types and shapes that a signature with tensors declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.faults import Fault, Faults, FaultyInputError, faulty
from penstock_worker.kinds import is_list, is_object
from penstock_worker.table import is_split, table_of

if TYPE_CHECKING:
    from penstock_worker.payload import Payload
    from penstock_worker.signature import Field, Signature


def tensors_of(payload: Payload, signature: Signature, numpy: Any) -> Any:
    """The array of an unnamed tensor, or a dict of arrays. Raises `FaultyInputError` with all that is wrong."""
    faults = Faults()
    value = _value(payload, signature, numpy, faults)
    faults.check()
    return value


def array_of(label: str, value: Any, numpy: Any, dtype: str | None = None) -> Any:
    """`value` as an array; raises `FaultyInputError` if it is ragged or does not convert to `dtype`."""
    try:
        found = numpy.array(value)
        result = found if dtype is None else numpy.array(value, dtype=dtype)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise faulty(
            f"{label} cannot be read as an array{f' of {dtype}' if dtype else ''}", f": {error}", column=label
        ) from error
    if result.dtype.kind in "iu" and found.dtype.kind == "f" and not numpy.array_equal(found, result):
        raise faulty(f"{label} must hold whole numbers ({dtype})", column=label)
    return result


def _value(payload: Payload, signature: Signature, numpy: Any, faults: Faults) -> Any:
    fields, data = signature.fields, payload.data
    if not signature.named:
        rows = data["data"] if is_split(data) else data
        return _array(fields[0], payload.key, rows, numpy, faults)
    named = _by_name(payload, signature, faults)
    missing = [str(field.name) for field in fields if field.required and field.name not in named]
    for name in missing:
        what = f"{payload.key} lacks {', '.join(map(repr, missing))}; the model expects {', '.join(signature.names)}"
        faults.add(Fault(what, column=name, expected="a tensor", got="nothing"))
    return {
        field.name: _array(field, f"{payload.key}.{field.name}", named[field.name], numpy, faults)
        for field in fields
        if field.name in named
    }


def _by_name(payload: Payload, signature: Signature, faults: Faults) -> dict[str, Any]:
    data = payload.data
    if is_split(data):
        table = table_of(payload, None, faults)
        return dict(zip(table.names or signature.names, table.columns))  # noqa: B905 - Python 3.9
    if is_object(data):
        return data
    if is_list(data) and data and all(is_object(row) for row in data):
        # One object per row, each with a value of every tensor.
        absent = [(row, name) for row, item in enumerate(data) for name in signature.names if name not in item]
        for row, name in absent:
            what = f"{payload.key}: row {row} lacks {name!r}"
            faults.add(Fault(what, row=row, column=name, expected="a value", got="nothing"))
        faults.check()
        return {name: [item[name] for item in data] for name in signature.names}
    if len(signature.fields) == 1:
        return {signature.names[0]: data}
    raise faulty(f"{payload.key} must be an object with the keys {', '.join(signature.names)}")


def _array(field: Field, label: str, value: Any, numpy: Any, faults: Faults) -> Any:
    """The tensor; None, and what is wrong added to `faults`, if it does not fit."""
    dtype = "str" if field.type.startswith(("<U", "str")) else field.type
    try:
        array = array_of(label, value, numpy, dtype)
    except FaultyInputError as error:
        faults.extend(error.faults)
        return None
    shape = array.shape
    fits = len(shape) == len(field.shape) and all(size in (-1, shape[axis]) for axis, size in enumerate(field.shape))
    if not fits and dtype != "object":
        what = f"{label} has shape {array.shape}; expected {field.shape}"
        faults.add(Fault(what, column=field.name, expected=f"the shape {field.shape}", got=f"the shape {shape}"))
    return array
