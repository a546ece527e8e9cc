"""From a mapping that a user wrote to a spec, with every fault named at once."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from penstock.domain.errors import invalid
from penstock.domain.resource import Frozen

ModelT = TypeVar("ModelT", bound=Frozen)


def parse(model: type[ModelT], data: object, what: str) -> ModelT:
    """`data` as a `model`.

    Raises `invalid` with one line per fault: the field's path, what is wrong, and for unknown fields the nearest
    field that exists. `what` names the object in the message, e.g. "endpoint.yml".
    """
    if not isinstance(data, Mapping):
        raise invalid(f"{what}: expected fields (a YAML or JSON mapping), got {type(data).__name__}")
    unwritable = _unwritable(cast(Mapping[str, object], data))
    if unwritable is not None:
        raise invalid(f"{what}: field {unwritable!r} holds text that is not Unicode, or a NUL character")
    try:
        return model.model_validate(data)
    except ValidationError as err:
        faults = [
            _sentence(model, fault["type"], fault["loc"], fault["msg"])
            for fault in err.errors()
            if not _beside_the_point(fault["loc"], fault["input"])
        ]
        raise invalid(f"{what}: " + "; ".join(faults), {"faults": "\n".join(faults)}) from None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or None."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def _unwritable(data: Mapping[str, object]) -> str | None:
    """Path of a text, or of a field's name, that no database or file can hold (JSON can spell it); None if all can."""
    stack: list[tuple[str, object]] = [("", data)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str) and not _is_writable(value):
            return path
        if isinstance(value, Mapping):
            for name, inner in cast(Mapping[object, object], value).items():
                where = f"{path}.{name}" if path else str(name)
                if not _is_writable(where):
                    return ascii(where)
                stack.append((where, inner))
        elif isinstance(value, (list, tuple)):
            stack += [(f"{path}.{n}", inner) for n, inner in enumerate(cast(Sequence[object], value))]
    return None


def _is_writable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _is_branch(part: int | str) -> bool:
    """Pydantic puts the tried member of a union into a fault's path: `environment.Environment.image`."""
    return isinstance(part, str) and (part in ("str", "int", "tuple[str, ...]") or part[:1].isupper() or "[" in part)


def _beside_the_point(location: tuple[int | str, ...], value: object) -> bool:
    """True for the complaint that a mapping is not a string, where a union would take either."""
    return bool(location) and location[-1] == "str" and isinstance(value, Mapping)


def _sentence(model: type[BaseModel], kind: str, location: tuple[int | str, ...], message: str) -> str:
    path = ".".join(str(part) for part in location if not _is_branch(part))
    if kind == "extra_forbidden":
        known = _fields_at(model, location[:-1])
        near = nearest(str(location[-1]), known)
        hint = f"did you mean {near!r}?" if near else f"known fields: {', '.join(sorted(known))}"
        return f"unknown field {path!r} ({hint})"
    if kind == "missing":
        return f"field {path!r} is required"
    message = message.removeprefix("Value error, ")
    return f"field {path!r}: {message[:1].lower()}{message[1:]}" if path else message


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """Names of the fields that may stand where `location` leads, read from the model's JSON schema."""
    schema = model.model_json_schema()
    nodes: list[dict[str, Any]] = [schema]
    for part in location:
        nodes = [child for node in nodes for child in _children(schema, node, part)] or nodes
    return {name for node in nodes for name in _resolved(schema, node)}


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for variant in _variants(schema, node):
        properties |= cast(dict[str, Any], variant.get("properties", {}))
    return properties


def _variants(schema: dict[str, Any], node: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        name = str(node["$ref"]).rsplit("/", 1)[-1]
        return _variants(schema, schema["$defs"][name])
    found = [node]
    for option in cast(list[dict[str, Any]], node.get("anyOf", [])):
        found += _variants(schema, option)
    return found


def _children(schema: dict[str, Any], node: dict[str, Any], part: int | str) -> list[dict[str, Any]]:
    properties = _resolved(schema, node)
    if part in properties:
        return [properties[str(part)]]
    word = "items" if isinstance(part, int) else "additionalProperties"  # of a list, or of a mapping by name
    return [v[word] for v in _variants(schema, node) if isinstance(v.get(word), dict)]
