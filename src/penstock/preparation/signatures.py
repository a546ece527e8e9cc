"""The signature in an MLmodel file, and whether the model's own input example agrees with it. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

_NULLS = ("", "null", "~")  # as a YAML loader that keeps all scalars as text spells them
_SHOWN = 12


@dataclass(frozen=True)
class Column:
    """A column or tensor that the model expects. `name` is None where it has none."""

    name: str | None
    kind: str
    required: bool


def columns_of(signature: object) -> Sequence[Column] | str:
    """The inputs of the MLmodel's field `signature`, none without one; or what is wrong with it, in a sentence."""
    if signature is None or signature in _NULLS:
        return ()
    if not isinstance(signature, Mapping):
        return "the signature in the MLmodel file is not a mapping"
    parts: dict[str, Sequence[Mapping[str, Any]]] = {}
    for part in ("inputs", "outputs", "params"):
        text = cast(Mapping[str, Any], signature).get(part)
        try:
            items: object = json.loads(text) if isinstance(text, str) and text not in _NULLS else []
        except (ValueError, RecursionError) as err:
            return f"the signature's {part} in the MLmodel file are not JSON: {err}"
        if not _are_typed(items):
            return f"the signature's {part} in the MLmodel file are not a list of objects with a type"
        parts[part] = cast(Sequence[Mapping[str, Any]], items)
    return tuple(_column(item) for item in parts["inputs"])


def described(columns: Sequence[Column]) -> str:
    """The columns for people: `age (double), name (string)`."""
    words = [column.kind if column.name is None else f"{column.name} ({column.kind})" for column in columns]
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def disagreements(columns: Sequence[Column], example: object) -> Iterable[str]:
    """Names that the input example (parsed JSON) and the signature do not share, a sentence each."""
    names = _names(example)
    if names is None or not columns or any(column.name is None for column in columns):
        return
    for column in columns:
        if column.required and column.name not in names:
            yield f"the input example lacks {column.name!r}, which the signature requires"
    known = {column.name for column in columns}
    for name in sorted(name for name in names if name not in known):
        yield f"the input example has {name!r}, which the signature does not have"


def _are_typed(items: object) -> bool:
    return isinstance(items, list) and all(
        isinstance(item, Mapping) and "type" in item for item in cast(list[object], items)
    )


def _column(item: Mapping[str, Any]) -> Column:
    tensor: object = item.get("tensor-spec")
    kind = str(item["type"])
    if isinstance(tensor, Mapping):
        spec = cast(Mapping[str, Any], tensor)
        kind = f"tensor {spec.get('dtype')} {spec.get('shape')}"
    name = item.get("name")
    return Column(None if name is None else str(name), kind, item.get("required", True) is not False)


def _names(example: object) -> set[str] | None:
    """The names of an example's columns, from a table, its first row, or an object; None if it has none."""
    if isinstance(example, list):
        example = next(iter(cast(list[object], example)), None)
    if not isinstance(example, Mapping):
        return None
    fields = cast(Mapping[str, Any], example)
    if isinstance(fields.get("data"), list) and set(fields) <= {"columns", "index", "data"}:
        columns = fields.get("columns")
        return {str(name) for name in cast(list[object], columns)} if isinstance(columns, list) else None
    return set(fields)
