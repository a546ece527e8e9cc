"""Two answers to one request compared row by row. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple, cast

from penstock.online.answer_rows import rows_of

_ABSENT = object()


class Delta(NamedTuple):
    """By how much two numbers differ; `relative` to the larger one, from 0 to 2."""

    absolute: float
    relative: float


@dataclass(frozen=True)
class Difference:
    """Where in a row the answers disagree. Without a delta it is not about numbers that could be subtracted."""

    row: int
    path: str = ""
    delta: Delta | None = None

    @property
    def severity(self) -> tuple[bool, float]:
        """What is not a number is worse than any number."""
        return (True, 0.0) if self.delta is None else (False, self.delta.relative)


@dataclass
class Compared:
    """What came of it: rows, those that agree, the differences of all numbers, and the worst disagreement."""

    rows: int = 0
    agreed: int = 0
    deltas: list[Delta] = field(default_factory=list[Delta])
    worst: Difference | None = None


def compared(live: bytes, shadow: bytes, tolerance: float) -> Compared:
    """Numbers x of `live` and y of `shadow` may differ by tolerance x max(1, |x|); all else must be the same.

    Answers that are no JSON are one row, and the same or not.
    """
    ours, theirs = rows_of(live), rows_of(shadow)
    if ours is None or theirs is None:
        same = live == shadow
        return Compared(rows=1, agreed=int(same), worst=None if same else Difference(0))
    result = Compared()
    for number, (one, other) in enumerate(zip_longest(ours, theirs, fillvalue=_ABSENT)):
        worst = _worst(number, one, other, tolerance, result.deltas)
        result.rows += 1
        result.agreed += worst is None
        if worst is not None and (result.worst is None or worst.severity > result.worst.severity):
            result.worst = worst
    return result


def row_count(answer: bytes) -> int:
    """How many rows an answer has; at least 1."""
    return max(1, len(rows_of(answer) or ()))


def _worst(row: int, one: Any, other: Any, tolerance: float, deltas: list[Delta]) -> Difference | None:
    if one is _ABSENT or other is _ABSENT:
        return Difference(row)
    ours, theirs = dict(_leaves(one)), dict(_leaves(other))
    worst: Difference | None = None
    for path in {**ours, **theirs}:
        found = _differing(ours.get(path, _ABSENT), theirs.get(path, _ABSENT), tolerance, deltas)
        if found is not None:
            difference = Difference(row, ".".join(map(str, path)), found[0])
            if worst is None or difference.severity > worst.severity:
                worst = difference
    return worst


def _differing(x: Any, y: Any, tolerance: float, deltas: list[Delta]) -> tuple[Delta | None] | None:
    """None for what agrees; else the delta, if there is one. Deltas of numbers are added to `deltas` in any case."""
    if not (_is_number(x) and _is_number(y)):
        return None if type(x) is type(y) and x == y else (None,)
    delta = _delta(x, y)
    if delta is None:
        return None if x == y or (_is_nan(x) and _is_nan(y)) else (None,)
    deltas.append(delta)
    return None if delta.absolute <= tolerance * max(1.0, abs(float(x))) else (delta,)


def _delta(x: float, y: float) -> Delta | None:
    """None for numbers that cannot be subtracted: infinite ones, NaN, or integers beyond all floats."""
    try:
        absolute, largest = abs(float(x) - float(y)), max(abs(float(x)), abs(float(y)))
    except OverflowError:
        return None
    if not math.isfinite(absolute):
        return None
    return Delta(absolute, absolute / largest if largest else 0.0)


def _is_nan(value: float) -> bool:
    return isinstance(value, float) and math.isnan(value)  # which raises for integers beyond all floats


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(row: Any) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """All that is in a row with the path to it; an empty list or object is a leaf."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), row)]
    while waiting:
        path, value = waiting.pop()
        inner = _inner(value)
        if inner:
            waiting += [((*path, key), each) for key, each in inner.items()]
        else:
            yield path, value


def _inner(value: Any) -> Mapping[str | int, Any]:
    if isinstance(value, dict):
        return cast(dict[str | int, Any], value)
    return dict(enumerate(cast(list[Any], value))) if isinstance(value, list) else {}
