"""Whether two models answer alike. Pure Python, on lists as `tolist()` makes them."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock_worker.compiler.contract import MOST_SHOWN
from penstock_worker.kinds import is_list

if TYPE_CHECKING:
    _Entry = tuple[float, int, dict[str, Any]]  # how bad, row below 0, what is told


@dataclass
class Comparison:
    """Counts rows that differ. Labels must be equal; numbers x and y may differ by `tolerance` * max(1, |x|)."""

    tolerance: float
    rows: int = 0
    differing: int = 0
    max_difference: float = 0.0  # of all numbers, in units of max(1, |x|)
    _worst: list[_Entry] = field(default_factory=lambda: [])  # a heap, the least bad on top

    def add(self, original: list[Any], compiled: list[Any]) -> None:
        """Compare as many rows more; where lengths differ the surplus rows differ."""
        for place in range(max(len(original), len(compiled))):
            left = original[place] if place < len(original) else None
            right = compiled[place] if place < len(compiled) else None
            distance = difference(left, right)
            if math.isfinite(distance):
                self.max_difference = max(self.max_difference, distance)
            if distance > self.tolerance:
                self._differs(self.rows + place, left, right, distance)
        self.rows += max(len(original), len(compiled))

    @property
    def worst(self) -> list[dict[str, Any]]:
        """The rows that differ most, the worst first: row from 0, original, compiled, difference."""
        return [told for _, _, told in sorted(self._worst, key=lambda entry: (-entry[0], -entry[1]))]

    def _differs(self, row: int, left: Any, right: Any, distance: float) -> None:
        self.differing += 1
        told = {"row": row, "original": left, "compiled": right}
        # None stands for labels: these are other ones, not more or less far away.
        told["difference"] = distance if math.isfinite(distance) else None
        entry = (distance, -row, told)
        if len(self._worst) < MOST_SHOWN:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heappushpop(self._worst, entry)


def difference(left: Any, right: Any) -> float:
    """How far two predictions are apart: 0 for equal ones, infinity for what cannot be compared as numbers."""
    if is_list(left) and is_list(right) and len(left) == len(right):
        return max((difference(one, other) for one, other in zip(left, right)), default=0.0)  # noqa: B905 - of Python 3.10
    if isinstance(left, float) and isinstance(right, float):
        return _distance(left, right)
    return 0.0 if left == right and type(left) is type(right) else math.inf


def _distance(left: float, right: float) -> float:
    if left == right or (math.isnan(left) and math.isnan(right)):
        return 0.0
    apart = abs(left - right) / max(1.0, abs(left))
    return math.inf if math.isnan(apart) else apart
