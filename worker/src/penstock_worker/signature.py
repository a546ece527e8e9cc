"""The signature of an MLflow model, reduced to what decides how JSON becomes its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ANY = "any"  # a type that is left to MLflow: arrays, objects, maps
# Types in words for callers.
EXPECTED = {
    "double": "a number (double)",
    "float": "a number (float)",
    "long": "a whole number (long)",
    "integer": "a whole number (integer) of at most 32 bits",
    "boolean": "true or false (boolean)",
    "string": "a string",
    "binary": "a string of base64 (binary)",
    "datetime": "a date and time in ISO 8601 (datetime)",
}


@dataclass(frozen=True)
class Field:
    """A column or tensor. `name` is None where the signature names none; `type` is MLflow's word or numpy's."""

    name: str | None
    type: str
    required: bool = True
    shape: tuple[int, ...] = ()  # of tensors; -1 for any size
    nested: Any = None  # of type ANY: what MLflow knows of it


@dataclass(frozen=True)
class Signature:
    """The inputs of a model: columns of a table, or tensors. Not empty."""

    fields: tuple[Field, ...]
    tensors: bool = False

    @property
    def names(self) -> list[str]:
        return [field.name for field in self.fields if field.name is not None]

    @property
    def named(self) -> bool:
        return len(self.names) == len(self.fields)

    @property
    def nested(self) -> bool:
        """True if a column holds lists or objects."""
        return any(field.type == ANY for field in self.fields)


def signature_of(schema: Any) -> Signature | None:
    """The signature for MLflow's input `schema`; None if there is none to go by."""
    if schema is None or not schema.inputs:
        return None
    if schema.is_tensor_spec():
        return Signature(tuple(_tensor(spec) for spec in schema.inputs), tensors=True)
    return Signature(tuple(_column(spec) for spec in schema.inputs))


def _tensor(spec: Any) -> Field:
    shape = tuple(int(size) for size in spec.shape)
    return Field(spec.name, str(spec.type), bool(getattr(spec, "required", True)), shape)


def _column(spec: Any) -> Field:
    required = bool(getattr(spec, "required", True))
    if type(spec.type).__name__ == "DataType":
        return Field(spec.name, spec.type.name, required)
    return Field(spec.name, ANY, required, nested=spec.type)
