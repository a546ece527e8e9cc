"""Whether values keep a column's rule, and what is told of those that do not. Pure Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Optional

from penstock_worker.data_contract import key_of
from penstock_worker.table import ABSENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.data_contract import ColumnRule

NULL, TYPE, RANGE, VALUES, PATTERN, LENGTH, UNIQUE, MISSING = (
    "null",
    "type",
    "range",
    "values",
    "pattern",
    "length",
    "unique",
    "missing",
)
_NUMBERS = frozenset((int, float))
CLASSES: dict[str, frozenset[type]] = {
    "number": _NUMBERS,
    "integer": frozenset((int,)),
    "boolean": frozenset((bool,)),
    "string": frozenset((str,)),
}
_JSON = frozenset((int, float, bool, str, list, dict))
_TYPE_NAMES = {"number": "a number", "integer": "a whole number", "boolean": "true or false", "string": "a string"}

Judge = Callable[[Any], Optional[str]]  # what a value offends against, None if nothing


def judge_of(rule: ColumnRule) -> Judge:
    """Judges single values. Those that could not be read at all, and those of models' own types, are not judged."""
    classes = CLASSES.get(rule.type)
    limited = rule.least != -float("inf") or rule.most != float("inf")

    def judge(value: Any) -> str | None:
        if value is ABSENT:
            return None
        if value is None or value != value:  # noqa: PLR0124 - NaN alone differs from itself
            return None if rule.nullable else NULL
        kind = value.__class__
        if classes is not None and kind in _JSON and kind not in classes and not _is_whole(rule.type, value):
            return TYPE
        if limited and (kind not in _NUMBERS or not rule.least <= value <= rule.most):
            return RANGE
        return _offence(rule, value)

    return judge


def is_clean(rule: ColumnRule, values: Sequence[Any]) -> bool:
    """True if a whole column keeps its rule for certain, found out without a look at each value in Python."""
    classes = CLASSES.get(rule.type)
    if classes is None or rule.matches is not None or rule.longest is not None or rule.unique:
        return False
    if not classes.issuperset(map(type, values)):
        return False
    if rule.type in ("number", "integer") and not _within(rule, values):
        return False
    return rule.values is None or (rule.type != "boolean" and rule.values.issuperset(values))


def expected(rule: ColumnRule, offence: str) -> str:
    """What was expected, as the object of `expected ...`."""
    if offence == RANGE:
        noun = "a whole number" if rule.type == "integer" else "a number"
        if rule.least == -float("inf"):
            return f"{noun} of at most {rule.most:g}"
        if rule.most == float("inf"):
            return f"{noun} of at least {rule.least:g}"
        return f"{noun} from {rule.least:g} to {rule.most:g}"
    return {
        NULL: f"{_TYPE_NAMES.get(rule.type, 'a value')}, not null",
        TYPE: _TYPE_NAMES.get(rule.type, "a value"),
        VALUES: f"one of {rule.shown}",
        PATTERN: f"a text like {rule.pattern}",
        LENGTH: f"a text of at most {rule.longest} characters",
        UNIQUE: "a value that no row above has",
        MISSING: "a column",
    }[offence]


def _within(rule: ColumnRule, values: Sequence[Any]) -> bool:
    """True if no number is beyond the limits, or NaN, which a sum shows wherever it stands."""
    try:
        total = sum(values)
    except OverflowError:
        return False
    return total == total and rule.least <= min(values) and max(values) <= rule.most  # noqa: PLR0124 - NaN


def _is_whole(kind: str, value: Any) -> bool:
    return kind == "integer" and isinstance(value, float) and value.is_integer()


def _offence(rule: ColumnRule, value: Any) -> str | None:
    if rule.values is not None and not _is_among(value, rule.values):
        return VALUES
    if rule.longest is not None and isinstance(value, str) and len(value) > rule.longest:
        return LENGTH
    if rule.matches is not None and not (isinstance(value, str) and rule.matches(value)):
        return PATTERN
    return None


def _is_among(value: Any, values: frozenset[Any]) -> bool:
    try:
        return key_of(value) in values
    except TypeError:
        return False
