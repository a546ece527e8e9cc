"""Two answers to one request compared row by row. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, NamedTuple, cast

from penstock.online.answer_rows import rows_of

_ABSENT = object()
_MOST_KEYS, _LONGEST_KEY = 10, 100  # of a path that is shown


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
    """The worst disagreement of two rows. Deltas of all numbers are added to `deltas`."""
    worst: Difference | None = None
    where: _Place = None
    waiting: list[tuple[_Place, Any, Any]] = [(None, one, other)]
    while waiting:
        place, x, y = waiting.pop()
        inner = _inner(x, y)
        if inner is not None:
            waiting += [((place, key), *values) for key, values in inner]
            continue
        found = _differing(x, y, tolerance, deltas)
        if found is not None and (worst is None or found.severity > worst.severity):
            worst, where = found, place
    return None if worst is None else Difference(row, _written(where), worst.delta)


# A place in a row: the place around it, and the key there. Shared, as a body may be deep and have many numbers there.
_Place = tuple["_Place", str | int] | None


def _inner(x: Any, y: Any) -> Iterable[tuple[str | int, tuple[Any, Any]]] | None:
    """What two lists or two objects hold, side by side; None for anything else."""
    if isinstance(x, list) and isinstance(y, list):
        return enumerate(zip_longest(cast(list[Any], x), cast(list[Any], y), fillvalue=_ABSENT))
    if isinstance(x, dict) and isinstance(y, dict):
        ours, theirs = cast(dict[str, Any], x), cast(dict[str, Any], y)
        return [(key, (ours.get(key, _ABSENT), theirs.get(key, _ABSENT))) for key in {**ours, **theirs}]
    return None


def _differing(x: Any, y: Any, tolerance: float, deltas: list[Delta]) -> Difference | None:
    """None for what agrees."""
    if not (_is_number(x) and _is_number(y)):
        return None if type(x) is type(y) and x == y else Difference(0)
    delta = _delta(x, y)
    if delta is None:
        return None if x == y or (_is_nan(x) and _is_nan(y)) else Difference(0)
    deltas.append(delta)
    return None if delta.absolute <= tolerance * max(1.0, abs(float(x))) else Difference(0, delta=delta)


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


def _written(place: _Place) -> str:
    """Such as `scores.0`; cut at the front, and of characters that can be sent: keys come from outside."""
    keys: list[str] = []
    while place is not None and len(keys) < _MOST_KEYS:
        place, key = place
        keys.append(str(key)[:_LONGEST_KEY])
    return ".".join(reversed(keys)).encode("utf-8", "replace").decode()
