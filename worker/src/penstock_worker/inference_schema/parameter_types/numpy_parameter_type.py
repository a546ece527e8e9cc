"""Arrays of numpy: nested lists of JSON, checked against the type and shape of a sample."""

from __future__ import annotations

import base64
import importlib
from typing import Any

from penstock_worker.inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from penstock_worker.kinds import is_list

numpy: Any = importlib.import_module("numpy")  # of the model's environment, not ours
_UNITS = {
    "years": "Y",
    "months": "M",
    "weeks": "W",
    "days": "D",
    "hours": "h",
    "minutes": "m",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
    "picoseconds": "ps",
    "femtoseconds": "fs",
    "attoseconds": "as",
}
_MOMENT = "%Y-%m-%d %H:%M:%S,%f"


class NumpyParameterType(AbstractParameterType):
    """An array like the sample: with its dtype, and all its sizes but the first, unless these are not enforced."""

    def __init__(self, sample_input: Any, enforce_column_type: bool = True, enforce_shape: bool = True) -> None:
        if not isinstance(sample_input, numpy.ndarray):
            raise TypeError(f"NumpyParameterType takes an array as its sample, not a {type(sample_input).__name__}")
        super().__init__(sample_input)
        self.enforce_column_type = enforce_column_type
        self.enforce_shape = enforce_shape

    def deserialize_input(self, input_data: Any) -> Any:
        """Raises ValueError, or TypeError, for what is no such array."""
        if isinstance(input_data, numpy.ndarray):
            return input_data
        if not is_list(input_data):
            raise ValueError("an array is expected: a list, of lists if it has several dimensions")
        if not self.enforce_column_type:
            array = numpy.array(input_data)
        else:
            dtype = self.sample_input.dtype
            items = input_data
            if len(dtype) or dtype.kind in "mM":
                items = [_item(item, dtype) for item in items]
            array = numpy.array(items, dtype=dtype)
        if self.enforce_shape:
            self._check_shape(array.shape)
        return array

    def input_to_swagger(self) -> dict[str, Any]:
        sample = self.sample_input
        schema = _array(_type_schema(sample.dtype), len(sample.shape))
        example = [_example(item, schema["items"]) for item in sample]
        return {**schema, "example": example, "format": "numpy.ndarray"}

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        wanted = self.sample_input.shape
        if len(shape) != len(wanted):
            raise ValueError(f"an array of {len(wanted)} dimensions is expected; it has {len(shape)}, of shape {shape}")
        for place, (size, expected) in enumerate(zip(shape[1:], wanted[1:]), 1):  # noqa: B905 - Python 3.9
            if size != expected:
                raise ValueError(f"dimension {place} must have the size {expected}; it has {size}")


def _item(value: Any, dtype: Any) -> Any:
    """What numpy makes an item of type `dtype` of, from JSON."""
    if len(dtype):
        keys: Any = dtype.names if isinstance(value, dict) else range(len(dtype))
        parts = [dtype[place] for place in range(len(dtype))]
        return tuple(_item(value[key], part) for key, part in zip(keys, parts))  # noqa: B905 - Python 3.9
    if dtype.kind == "M":
        return numpy.datetime64(value)
    return _duration(value) if dtype.kind == "m" else value


def _duration(text: Any) -> Any:
    number, _, unit = str(text).partition(" ")
    if unit.strip().lower() not in _UNITS:
        raise ValueError(f"{text!r} is no duration; write a whole number and a unit: 3 days")
    return numpy.timedelta64(int(number), _UNITS[unit.strip().lower()])


def _type_schema(dtype: Any) -> dict[str, Any]:
    if len(dtype):
        return {"type": "object", "properties": {name: _type_schema(dtype[name]) for name in dtype.names}}
    if dtype.subdtype is not None:
        inner, shape = dtype.subdtype
        return _array(_type_schema(inner), len(shape))
    return _simple_schema(dtype)


def _simple_schema(dtype: Any) -> dict[str, Any]:
    if dtype.kind in "iu":
        return {"type": "integer", "format": dtype.name}
    if dtype.name in ("float16", "float32", "float64"):
        return {"type": "number", "format": "double" if dtype.name == "float64" else "float"}
    known: dict[str, dict[str, Any]] = {
        "b": {"type": "boolean"},
        "O": {"type": "object"},
        "M": {"type": "string", "format": "date-time"},
        "m": {"type": "string", "format": "timedelta"},
        "U": {"type": "string"},
        "S": {"type": "string", "format": "binary"},
        "V": {"type": "string", "format": "binary"},
    }
    if dtype.kind not in known:
        raise TypeError(f"there is no schema for arrays of {dtype.name}")
    return dict(known[dtype.kind])


def _array(items: dict[str, Any], dimensions: int) -> dict[str, Any]:
    schema = {"type": "array", "items": items}
    for _ in range(dimensions - 1):
        schema = {"type": "array", "items": schema}
    return schema


def _example(value: Any, schema: dict[str, Any]) -> Any:
    kind = schema["type"]
    if kind == "array":
        return [_example(item, schema["items"]) for item in value]
    if kind == "object" and "properties" in schema:
        return {name: _example(value[name], part) for name, part in schema["properties"].items()}
    if kind in ("number", "integer"):
        return float(value) if kind == "number" else int(value)
    form = schema.get("format")
    if form == "date-time":
        return value.astype("datetime64[us]").item().strftime(_MOMENT)
    return base64.b64encode(value).decode("ascii") if form == "binary" else str(value)
