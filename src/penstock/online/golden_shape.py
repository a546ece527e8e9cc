"""Whether an answer has the shape that a golden request expects. Pure."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from penstock.domain.golden import JsonType, Mismatch, Shape

_DEEPEST = 100  # levels that are looked into
_SHOWN = 120  # characters of a value

Path = tuple[str, ...]


def misshapen(path: Path, shape: Shape, got: object, ignored: Sequence[Path]) -> Iterator[Mismatch]:
    """The places below `path` that are not of the shape; `ignored` as in `ignores`."""
    if ignores(ignored, path) or len(path) > _DEEPEST:
        return
    wrong = _unlike(shape, got)
    if wrong is not None:
        yield Mismatch(path=".".join(path), expected=wrong, got=shown(got))
    if isinstance(got, list) and shape.items is not None:
        for at, item in enumerate(cast(list[object], got)):
            yield from misshapen((*path, str(at)), shape.items, item, ignored)
    if isinstance(got, Mapping):
        yield from _properties(path, shape, cast(Mapping[str, object], got), ignored)


def ignores(ignored: Iterable[Path], path: Path) -> bool:
    """True if one of the paths leads there; a step `*` is any step."""
    return any(
        len(pattern) == len(path) and all(step in ("*", name) for step, name in zip(pattern, path, strict=True))
        for pattern in ignored
    )


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def shown(value: object) -> str:
    """`value` as JSON, short enough for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "a value nested too deeply"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _properties(path: Path, shape: Shape, got: Mapping[str, object], ignored: Sequence[Path]) -> Iterator[Mismatch]:
    for name in shape.required:
        if name not in got and not ignores(ignored, (*path, name)):
            yield Mismatch(path=".".join((*path, name)), expected="to be there", got="nothing")
    for name, value in got.items():
        inner = shape.properties.get(name)
        if inner is not None:
            yield from misshapen((*path, name), inner, value, ignored)
        elif not shape.additional_properties and not ignores(ignored, (*path, name)):
            yield Mismatch(path=".".join((*path, name)), expected="nothing", got=shown(value))


def _unlike(shape: Shape, got: object) -> str | None:
    """What was expected of the value itself, in words, if it is not that."""
    if shape.types and not any(_TYPES[kind](got) for kind in shape.types):
        return " or ".join(shape.types)
    if shape.enum is not None and _key(got) not in map(_key, shape.enum):
        return f"one of {shown(list(shape.enum))}"
    if is_number(got):
        return _outside(shape.minimum, shape.maximum, cast(float, got), "")
    if isinstance(got, str):
        return _outside(shape.min_length, shape.max_length, len(got), " characters")
    if isinstance(got, list):
        return _outside(shape.min_items, shape.max_items, len(cast(list[object], got)), " items")
    return None


def _key(value: object) -> str:
    """Equal for equal values, where 1 and 1.0 are equal and 1 and true are not."""
    return repr(int(value) if isinstance(value, float) and value.is_integer() else value)


def _outside(least: float | None, most: float | None, size: float, unit: str) -> str | None:
    if least is not None and not size >= least:
        return f"at least {least:g}{unit}"
    if most is not None and not size <= most:
        return f"at most {most:g}{unit}"
    return None


_TYPES: Mapping[JsonType, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and cast(float, value) % 1 == 0,
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, Mapping),
}
