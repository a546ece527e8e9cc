"""Whether an answer is the one that a golden request expects, and where it is not. Pure."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from penstock.domain.golden import Expectation, Mismatch, Tolerance
from penstock.online.golden_shape import Path, ignores, is_number, misshapen, shown

MOST_MISMATCHES = 10  # of one answer that are told
_DEEPEST = 100  # levels that are compared
_SHOWN = 120  # characters of an answer that came with another status


def compared(expect: Expectation, status: int, body: bytes) -> Sequence[Mismatch]:
    """The places where the answer differs, at most `MOST_MISMATCHES`; one of another status is not looked into."""
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
    return [mismatch.path for mismatch in _Comparison(Tolerance(), ()).values((), one, other)]


def same(expected: object, got: object, tolerance: Tolerance) -> bool:
    """True if two values that hold no others are the same; numbers within the tolerance, whole or not."""
    if not (is_number(expected) and is_number(got)):
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


def _all(expect: Expectation, got: object, ignored: Sequence[Path]) -> Iterator[Mismatch]:
    if expect.answer is not None:
        yield from _Comparison(expect.tolerance, ignored).values((), expect.answer, got)
    if expect.shape is not None:
        yield from misshapen((), expect.shape, got, ignored)


@dataclass(frozen=True)
class _Comparison:
    tolerance: Tolerance
    ignored: Sequence[Path]

    def values(self, path: Path, expected: object, got: object) -> Iterator[Mismatch]:
        where = ".".join(path)
        if ignores(self.ignored, path):
            return
        if len(path) > _DEEPEST:
            yield Mismatch(path=where, expected=f"at most {_DEEPEST} levels", got="more")
        elif isinstance(expected, Mapping) and isinstance(got, Mapping):
            yield from self._fields(path, cast(Mapping[str, object], expected), cast(Mapping[str, object], got))
        elif isinstance(expected, list) and isinstance(got, list):
            yield from self._items(path, cast(list[object], expected), cast(list[object], got))
        elif not same(cast(object, expected), got, self.tolerance):
            told = _with_tolerance(cast(object, expected), self.tolerance)
            yield Mismatch(path=where, expected=told, got=_offset(cast(object, expected), got))

    def _fields(self, path: Path, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Mismatch]:
        for name in [*old, *(name for name in new if name not in old)]:
            below = (*path, name)
            if name in old and name in new:
                yield from self.values(below, old[name], new[name])
            elif not ignores(self.ignored, below):
                before = shown(old[name]) if name in old else "nothing"
                after = shown(new[name]) if name in new else "nothing"
                yield Mismatch(path=".".join(below), expected=before, got=after)

    def _items(self, path: Path, old: Sequence[object], new: Sequence[object]) -> Iterator[Mismatch]:
        if len(old) != len(new):
            yield Mismatch(path=".".join(path), expected=f"{len(old)} items", got=f"{len(new)} items")
        for at, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from self.values((*path, str(at)), one, other)


def _with_tolerance(expected: object, tolerance: Tolerance) -> str:
    if not is_number(expected) or not (tolerance.abs or tolerance.rel):
        return shown(expected)
    words = [f"{tolerance.abs:g}"] if tolerance.abs else []
    words += [f"{tolerance.rel * 100:g} %"] if tolerance.rel else []
    return f"{shown(expected)} within {' or '.join(words)}"


def _offset(expected: object, got: object) -> str:
    """What came; of a number also by how much it is off."""
    if not (is_number(expected) and is_number(got)):
        return shown(got)
    try:
        return f"{shown(got)} ({cast(float, got) - cast(float, expected):+g})"
    except OverflowError:
        return shown(got)


def _text(body: bytes) -> str:
    return " ".join(body[: 2 * _SHOWN].decode("utf-8", "replace").split())[:_SHOWN]
