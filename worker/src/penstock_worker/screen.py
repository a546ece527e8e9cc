"""One row looked at as a whole: whether every column keeps its rule, found out without Python code for each value."""

from __future__ import annotations

from operator import itemgetter, le
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.judges import CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_worker.data_contract import ColumnRule

_MOST_KNOWN = 64  # kinds of rows that are remembered
_NUMBERS = ("number", "integer")


class Screen:
    """Passes single rows that keep `rules` for certain. What it does not pass must be judged column by column."""

    def __init__(self, rules: Sequence[ColumnRule]) -> None:
        self._classes = [CLASSES[rule.type] for rule in rules]
        self._columns = _picker([rule.name for rule in rules])
        numbers = [at for at, rule in enumerate(rules) if rule.type in _NUMBERS]
        self._numbers = _picker(numbers) if numbers else None
        self._least = [rules[at].least for at in numbers]
        self._most = [rules[at].most for at in numbers]
        self._members = [(at, rule.values) for at, rule in enumerate(rules) if rule.values is not None]
        self._known: set[tuple[type, ...]] = set()

    def passes(self, columns: Mapping[Any, Sequence[Any]]) -> bool:
        """True if the first row of `columns` keeps all rules; columns of it may be missing."""
        try:
            row = [values[0] for values in self._columns(columns)]
        except KeyError:
            return False
        types = tuple(map(type, row))
        if types not in self._known and not self._learn(types):
            return False
        if self._numbers is not None:
            numbers = self._numbers(row)
            if not (all(map(le, self._least, numbers)) and all(map(le, numbers, self._most))):
                return False
        return all(row[at] in values for at, values in self._members)

    def _learn(self, types: tuple[type, ...]) -> bool:
        fit = all(kind in classes for kind, classes in zip(types, self._classes))  # noqa: B905 - Python 3.9
        if fit and len(self._known) < _MOST_KNOWN:
            self._known.add(types)
        return fit


def may_be_screened(rule: ColumnRule) -> bool:
    """True if type, limits and members are all that the rule of a column says of a value."""
    limited = rule.type in _NUMBERS or (rule.least, rule.most) == (-float("inf"), float("inf"))
    listed = rule.values is not None and rule.type not in ("number", "integer", "string")
    return rule.type in CLASSES and limited and not listed and rule.matches is None and rule.longest is None


def _picker(keys: Sequence[Any]) -> Callable[[Any], Sequence[Any]]:
    """What takes the values under `keys` out of a mapping or list, always as a sequence."""
    if len(keys) == 1:
        return lambda values: (values[keys[0]],)
    return itemgetter(*keys) if keys else lambda _values: ()
