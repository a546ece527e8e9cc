"""Are two samples of predictions distributed alike? Numbers by Kolmogorov and Smirnov, classes by their shares. Pure.

Both tests are made at sizes of the sample that are fixed beforehand, and share the error that is allowed among them.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Value = float | str
Row = Mapping[str, Value]

_FIRST, _GROWTH, _LOOKS = 25, 1.4, 18  # sizes of the new sample at which it is looked at: 25 to 7,600
MOST_ROWS = 7_600  # of the new deployment: more are not looked at
_FEWEST_EXPECTED = 5  # of a class; rarer ones are taken together, as the chi-squared distribution asks
_MOST_CLASSES = 50  # a column of more different whole numbers is one of numbers
_MOST_COLUMNS = 8


@dataclass(frozen=True)
class Shift:
    """How far two samples of a column are apart. `chance` is how probable so much is if there is no difference."""

    column: str
    distance: float  # 0 to 1
    chance: float
    words: str
    new_rows: int
    old_rows: int


def shifts(new: Sequence[Row], old: Sequence[Row]) -> Sequence[Shift]:
    """The columns that both have, farthest apart first; none before there are enough rows.

    `Shift.chance` is multiplied by the number of columns and of looks, so that it may be compared with the error that
    is allowed for all of them.
    """
    size = look_size(len(new))
    if not size or len(old) < _FIRST:
        return []
    shown = new[:size]
    columns = sorted({name for row in shown[:100] for name in row} & {name for row in old[:100] for name in row})
    columns = columns[:_MOST_COLUMNS]
    found: list[Shift] = []
    for column in columns:
        ours = [row[column] for row in shown if column in row]
        theirs = [row[column] for row in old if column in row]
        if len(ours) >= _FIRST and len(theirs) >= _FIRST:
            found.append(_shift(column, ours, theirs, looks=_LOOKS * len(columns)))
    return sorted(found, key=lambda shift: -shift.distance)


def look_size(rows: int) -> int:
    """The largest of the fixed sizes that so many rows are enough for; 0 if they are too few for any."""
    if rows < _FIRST:
        return 0
    look = min(_LOOKS - 1, int(math.log(rows / _FIRST, _GROWTH) + 1e-9))
    return min(rows, math.ceil(_FIRST * _GROWTH**look))


def _shift(column: str, new: Sequence[Value], old: Sequence[Value], *, looks: int) -> Shift:
    if _are_classes([*new, *old]):
        distance, chance, words = class_distance(new, old)
    else:
        distance, chance, words = number_distance([_number(v) for v in new], [_number(v) for v in old])
    return Shift(column, distance, min(1.0, chance * looks), words, len(new), len(old))


def number_distance(new: Sequence[float], old: Sequence[float]) -> tuple[float, float, str]:
    """Kolmogorov and Smirnov's distance, its chance (asymptotic, an upper bound for samples of 25), and words."""
    ours, theirs = sorted(new), sorted(old)
    n, m = len(ours), len(theirs)
    distance, i, j = 0.0, 0, 0
    while i < n and j < m:
        here = min(ours[i], theirs[j])
        while i < n and ours[i] == here:
            i += 1
        while j < m and theirs[j] == here:
            j += 1
        distance = max(distance, abs(i / n - j / m))
    chance = min(1.0, 2 * math.exp(-2 * distance * distance * n * m / (n + m)))
    words = f"median {ours[n // 2]:.4g} against {theirs[m // 2]:.4g}"
    return distance, chance, words


def class_distance(new: Sequence[Value], old: Sequence[Value]) -> tuple[float, float, str]:
    """Half the sum of the differences of shares, its chance (chi-squared), and the class that differs most."""
    ours, theirs = Counter(map(str, new)), Counter(map(str, old))
    n, m = len(new), len(old)
    gaps = {name: ours[name] / n - theirs[name] / m for name in ours | theirs}
    farthest = max(gaps, key=lambda name: abs(gaps[name]))
    words = f"share of {farthest[:40]!r} {100 * ours[farthest] / n:.1f} % against {100 * theirs[farthest] / m:.1f} %"
    return sum(map(abs, gaps.values())) / 2, _class_chance(ours, theirs), words


def _class_chance(new: Mapping[str, int], old: Mapping[str, int]) -> float:
    n, m = sum(new.values()), sum(old.values())
    groups: list[tuple[int, int]] = []
    rare = (0, 0)
    for name in new.keys() | old.keys():
        pair = (new.get(name, 0), old.get(name, 0))
        if sum(pair) * min(n, m) / (n + m) < _FEWEST_EXPECTED:
            rare = (rare[0] + pair[0], rare[1] + pair[1])
        else:
            groups.append(pair)
    if sum(rare) * min(n, m) / (n + m) >= _FEWEST_EXPECTED or (sum(rare) and len(groups) == 1):
        groups.append(rare)
    if len(groups) < 2:
        return 1.0
    n, m = sum(a for a, _ in groups), sum(b for _, b in groups)
    if not n or not m:
        return 1.0
    statistic = sum((a * m - b * n) ** 2 / ((a + b) * n * m) for a, b in groups)
    return _chi_squared_tail(statistic, len(groups) - 1)


def _chi_squared_tail(value: float, freedom: int) -> float:
    """Probability of more than `value` (Wilson and Hilferty's approximation by the normal distribution)."""
    spread = 2 / (9 * freedom)
    z = ((value / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2)) / 2


def _are_classes(values: Sequence[Value]) -> bool:
    """True of texts, and of whole numbers of which there are few."""
    if any(isinstance(value, str) for value in values):
        return True
    numbers = {_number(value) for value in values}
    return len(numbers) <= _MOST_CLASSES and all(number.is_integer() for number in numbers)


def _number(value: Value) -> float:
    return float(value)
