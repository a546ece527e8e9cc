"""What is known of functions with `@input_schema` and `@output_schema`: noted at the function inside of them."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterable

_ALL_VERSIONS = ("2.0", "3.0", "3.1")
_NOTES = "_penstock_schema"
_INPUT, _OUTPUT = "input", "output"


def is_schema_decorated(func: Callable[..., Any]) -> bool:
    return _NOTES in vars(_innermost(func))


def get_input_schema(func: Callable[..., Any]) -> dict[str, Any]:
    """The schema of the JSON object with the arguments, with an example."""
    return _schema(func, _INPUT)


def get_output_schema(func: Callable[..., Any]) -> dict[str, Any]:
    return _schema(func, _OUTPUT)


def get_supported_versions(func: Callable[..., Any]) -> list[str]:
    """The versions of Swagger that can describe all of the schemas."""
    found = _notes(func).get("versions", {})
    return sorted(version for version in _ALL_VERSIONS if all(version in versions for versions in found.values()))


def note_input(func: Callable[..., Any], name: str, schema: dict[str, Any], versions: Iterable[str]) -> None:
    """Note the schema of one parameter; those without a decorator stay open."""
    notes = _notes(func)
    inputs: dict[str, Any] | None = notes.get(_INPUT)
    if inputs is None:
        names = list(inspect.signature(_innermost(func)).parameters)
        inputs = {
            "type": "object",
            "properties": {each: {} for each in names},
            "example": dict.fromkeys(names, ""),
        }
        notes[_INPUT] = inputs
    described = copy.deepcopy(schema)
    inputs["example"][name] = described.pop("example")
    inputs["properties"][name] = described
    # As inference-schema: of several inputs, the versions of the outermost count.
    notes.setdefault("versions", {})[_INPUT] = list(versions)


def note_output(func: Callable[..., Any], schema: dict[str, Any], versions: Iterable[str]) -> None:
    notes = _notes(func)
    if _OUTPUT in notes:
        raise ValueError(f"{func.__name__}() has more than one @output_schema")
    notes[_OUTPUT] = schema
    notes.setdefault("versions", {})[_OUTPUT] = list(versions)


def _notes(func: Callable[..., Any]) -> dict[str, Any]:
    return vars(_innermost(func)).setdefault(_NOTES, {})


def _schema(func: Callable[..., Any], part: str) -> dict[str, Any]:
    return vars(_innermost(func)).get(_NOTES, {}).get(part, {"type": "object"})


def _innermost(func: Callable[..., Any]) -> Callable[..., Any]:
    return inspect.unwrap(func)
