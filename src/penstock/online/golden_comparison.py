"""Whether an answer is the one that a golden request expects, and where it is not. Pure."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from penstock.domain.golden import Expectation, Mismatch, Shape, Tolerance

MOST_MISMATCHES = 10  # of one answer that are told
_DEEPEST = 100  # levels that are compared
_SHOWN = 120  # characters of a value

Path = tuple[str, ...]


def compared(expect: Expectation, status: int, body: bytes) -> Sequence[Mismatch]:
    """The places where the answer differs, at most `MOST_MISMATCHES`; an answer of another status is not looked into."""
    if status != expect.status:
        return [Mismatch(path="status", expected=str(expect.status), got=f"{status} {_text(body)}".rstrip())]
    if expect.answer is None and expect.shape is None:
        return []
    got = value_of(body)
    ignored = [tuple(path.split(".")) for path in expect.ignore]
    found: list[Mismatch] = []
    for mismatch in _all(expect, got, ignored):
        found.append(mismatch)
        if len(found) == MOST_MISMATCHES:
            break
    return found


def value_of(body: bytes) -> object:
    """The JSON of a body; its text where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def differing(one: object, other: object) -> Sequence[str]:
    """The paths in which two answers differ, for `Expectation.ignore`; numbers must be equal."""
    return [mismatch.path for mismatch in _values((), one, other, Tolerance(), [])]


def shown(value: object) -> str:
    """`value` as JSON, short enough for a message."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "a value nested too deeply"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _all(expect: Expectation, got: object, ignored: Sequence[Path]) -> Iterator[Mismatch]:
    if expect.answer is not None:
        yield from _values((), expect.answer, got, expect.tolerance, ignored)
    if expect.shape is not None:
        yield from _shape((), expect.shape, got, ignored)


def _values(
    path: Path, expected: object, got: object, tolerance: Tolerance, ignored: Sequence[Path]
) -> Iterator[Mismatch]:
    if _ignores(ignored, path):
        return
    if len(path) > _DEEPEST:
        yield Mismatch(path=".".join(path), expected=f"at most {_DEEPEST} levels", got="more")
    elif isinstance(expected, Mapping) and isinstance(got, Mapping):
        old, new = cast(Mapping[str, object], expected), cast(Mapping[str, object], got)
        yield from _presence(path, old, new, ignored)
        for name in [name for name in old if name in new]:
            yield from _values((*path, name), old[name], new[name], tolerance, ignored)
    elif isinstance(expected, list) and isinstance(got, list):
        before, after = cast(list[object], expected), cast(list[object], got)
        if len(before) != len(after):
            yield Mismatch(path=".".join(path), expected=f"{len(before)} items", got=f"{len(after)} items")
        for at, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from _values((*path, str(at)), one, other, tolerance, ignored)
    elif not _same(expected, got, tolerance):
        yield Mismatch(path=".".join(path), expected=_with_tolerance(expected, tolerance), got=_offset(expected, got))


def _presence(
    path: Path, old: Mapping[str, object], new: Mapping[str, object], ignored: Sequence[Path]
) -> Iterator[Mismatch]:
    for name in [*(n for n in old if n not in new), *(n for n in new if n not in old)]:
        if not _ignores(ignored, (*path, name)):
            told = {"expected": shown(old[name]), "got": "nothing"} if name in old else {}
            yield Mismatch(path=".".join((*path, name)), **(told or {"expected": "nothing", "got": shown(new[name])}))


def _same(expected: object, got: object, tolerance: Tolerance) -> bool:
    if not (_is_number(expected) and _is_number(got)):
        return type(expected) is type(got) and expected == got
    one, other = cast(float, expected), cast(float, got)
    if one == other:
        return True
    try:
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return abs(one - other) <= max(tolerance.abs, tolerance.rel * abs(one)) and math.isfinite(other)
    except OverflowError:  # a whole number beyond all floats
        return False


def _shape(path: Path, shape: Shape, got: object, ignored: Sequence[Path]) -> Iterator[Mismatch]:
    if _ignores(ignored, path) or len(path) > _DEEPEST:
        return
    wrong = _unlike(shape, got)
    if wrong is not None:
        yield Mismatch(path=".".join(path), expected=wrong, got=shown(got))
    if isinstance(got, list) and shape.items is not None:
        for at, item in enumerate(cast(list[object], got)):
            yield from _shape((*path, str(at)), shape.items, item, ignored)
    if isinstance(got, Mapping):
        yield from _properties(path, shape, cast(Mapping[str, object], got), ignored)


def _properties(
    path: Path, shape: Shape, got: Mapping[str, object], ignored: Sequence[Path]
) -> Iterator[Mismatch]:
    for name in shape.required:
        if name not in got and not _ignores(ignored, (*path, name)):
            yield Mismatch(path=".".join((*path, name)), expected="to be there", got="nothing")
    for name, value in got.items():
        inner = shape.properties.get(name)
        if inner is not None:
            yield from _shape((*path, name), inner, value, ignored)
        elif not shape.additional_properties and not _ignores(ignored, (*path, name)):
            yield Mismatch(path=".".join((*path, name)), expected="nothing", got=shown(value))


def _unlike(shape: Shape, got: object) -> str | None:
    """What was expected of the value itself, in words, if it is not that."""
    if shape.types and not any(_is(kind, got) for kind in shape.types):
        return " or ".join(shape.types)
    if shape.enum is not None and not any(_same(allowed, got, Tolerance()) for allowed in shape.enum):
        return f"one of {shown(list(shape.enum))}"
    if _is_number(got):
        return _outside(shape.minimum, shape.maximum, cast(float, got), "")
    if isinstance(got, str):
        return _outside(shape.min_length, shape.max_length, len(got), " characters")
    if isinstance(got, list):
        return _outside(shape.min_items, shape.max_items, len(cast(list[object], got)), " items")
    return None


def _outside(least: float | None, most: float | None, size: float, unit: str) -> str | None:
    if least is not None and not size >= least:
        return f"at least {least:g}{unit}"
    if most is not None and not size <= most:
        return f"at most {most:g}{unit}"
    return None


def _is(kind: str, value: object) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return _is_number(value) and cast(float, value) % 1 == 0
        case "number":
            return _is_number(value)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, Mapping)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _ignores(ignored: Iterable[Path], path: Path) -> bool:
    return any(
        len(pattern) == len(path) and all(step in ("*", name) for step, name in zip(pattern, path, strict=True))
        for pattern in ignored
    )


def _with_tolerance(expected: object, tolerance: Tolerance) -> str:
    if not _is_number(expected) or not (tolerance.abs or tolerance.rel):
        return shown(expected)
    words = [f"{tolerance.abs:g}"] if tolerance.abs else []
    words += [f"{tolerance.rel * 100:g} %"] if tolerance.rel else []
    return f"{shown(expected)} within {' or '.join(words)}"


def _offset(expected: object, got: object) -> str:
    if not (_is_number(expected) and _is_number(got)):
        return shown(got)
    try:
        return f"{shown(got)} ({cast(float, got) - cast(float, expected):+g})"
    except OverflowError:
        return shown(got)


def _text(body: bytes) -> str:
    return " ".join(body[: 2 * _SHOWN].decode("utf-8", "replace").split())[:_SHOWN]
