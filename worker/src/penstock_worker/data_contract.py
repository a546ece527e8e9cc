"""Data contracts as platform and worker exchange them: columns and rules as JSON, checked and made ready to judge."""

from __future__ import annotations

import math
from typing import Any, Callable, NamedTuple, Optional

from penstock_worker.expressions import Expression, parse_expression
from penstock_worker.kinds import is_list, is_object
from penstock_worker.patterns import parse_pattern

ENFORCE, WARN, SHADOW = "enforce", "warn", "shadow"
MODES = (ENFORCE, WARN, SHADOW)
TYPES = ("number", "integer", "boolean", "string")
MOST_COLUMNS = 5000
MOST_RULES = 200
MOST_VALUES = 10_000
DEFAULT_INPUT = "input_data"

_INFINITY = math.inf
_LARGEST = 10**300  # whole numbers beyond the range of floats cannot be shown


class ContractError(ValueError):
    """The contract cannot be kept; the message names the column or rule, and what is wrong."""


class ColumnRule(NamedTuple):
    """What a column must be. Without limits `least` and `most` are infinite."""

    name: str
    mode: str
    type: str  # one of `TYPES`; empty for any
    required: bool
    nullable: bool
    unique: bool
    least: float
    most: float
    values: Optional[frozenset[Any]]  # the only ones, told apart by `key_of`
    shown: str  # the first of them
    pattern: str
    matches: Optional[Callable[[str], Optional[object]]]
    longest: Optional[int]


class RowRule(NamedTuple):
    """What must hold between the columns of a row."""

    name: str
    mode: str
    text: str
    message: str
    expression: Expression


class DataContract(NamedTuple):
    """One contract. `input` is the key under which the body of a request to a scoring script has the table."""

    name: str
    input: str
    mode: str
    columns: tuple[ColumnRule, ...]
    rules: tuple[RowRule, ...]


def contract_of(document: Any) -> DataContract:
    """The contract that `document`, parsed JSON, says; raises `ContractError` with its first fault."""
    if not is_object(document):
        raise ContractError("a contract is an object")
    mode = _mode(document, ENFORCE, "the contract")
    columns: Any = document.get("columns") or {}
    rules: Any = document.get("rules") or []
    if not is_object(columns) or len(columns) > MOST_COLUMNS:
        raise ContractError(f"columns must be an object with at most {MOST_COLUMNS} columns")
    if not is_list(rules) or len(rules) > MOST_RULES:
        raise ContractError(f"rules must be a list of at most {MOST_RULES} rules")
    return DataContract(
        name=str(document.get("name") or "contract"),
        input=str(document.get("input") or DEFAULT_INPUT),
        mode=mode,
        columns=tuple(_column(name, told, mode) for name, told in columns.items()),
        rules=tuple(_rule(told, at, mode) for at, told in enumerate(rules)),
    )


def key_of(value: Any) -> Any:
    """What tells values apart where 1 is not true; raises TypeError for lists and objects."""
    if isinstance(value, bool):
        return (bool, value)
    hash(value)
    return value


def _column(name: str, told: Any, mode: str) -> ColumnRule:
    what = f"column {name!r}"
    if told is not None and not is_object(told):
        raise ContractError(f"{what} must be an object")
    told = told or {}
    kind = told.get("type") or ""
    if kind not in ("", *TYPES):
        raise ContractError(f"{what}: type {kind!r} is not one of {', '.join(TYPES)}")
    least, most = _limit(told, "minimum", -_INFINITY, what), _limit(told, "maximum", _INFINITY, what)
    if least > most:
        raise ContractError(f"{what}: minimum {least:g} is above maximum {most:g}")
    values, shown = _values(told.get("values"), what)
    pattern = told.get("pattern") or ""
    longest = told.get("max_length")
    if longest is not None and (isinstance(longest, bool) or not isinstance(longest, int) or longest < 0):
        raise ContractError(f"{what}: max_length must be a whole number")
    return ColumnRule(
        name=name,
        mode=_mode(told, mode, what),
        type=kind,
        required=told.get("required", True) is not False,
        nullable=told.get("nullable", False) is True,
        unique=told.get("unique", False) is True,
        least=least,
        most=most,
        values=values,
        shown=shown,
        pattern=pattern,
        matches=_pattern(pattern, what) if pattern else None,
        longest=longest,
    )


def _rule(told: Any, at: int, mode: str) -> RowRule:
    if not is_object(told) or not isinstance(told.get("check"), str):
        raise ContractError(f"rule {at + 1} must be an object with a `check`")
    name = str(told.get("name") or f"rule-{at + 1}")
    try:
        expression = parse_expression(told["check"])
    except ValueError as error:
        raise ContractError(f"rule {name!r}: {error}") from error
    message = str(told.get("message") or "")
    return RowRule(name, _mode(told, mode, f"rule {name!r}"), told["check"], message, expression)


def _mode(told: Any, otherwise: str, what: str) -> str:
    mode = told.get("mode") or otherwise
    if mode not in MODES:
        raise ContractError(f"{what}: mode {mode!r} is not one of {', '.join(MODES)}")
    return mode


def _limit(told: Any, name: str, otherwise: float, what: str) -> float:
    limit = told.get(name)
    if limit is None:
        return otherwise
    if isinstance(limit, bool) or not isinstance(limit, (int, float)) or limit != limit:  # noqa: PLR0124 - NaN
        raise ContractError(f"{what}: {name} must be a number")
    if isinstance(limit, int) and abs(limit) > _LARGEST:
        raise ContractError(f"{what}: {name} is too large")
    return limit


def _values(told: Any, what: str) -> tuple[frozenset[Any] | None, str]:
    if told is None:
        return None, ""
    if not is_list(told) or not 0 < len(told) <= MOST_VALUES:
        raise ContractError(f"{what}: values must be a list of 1 to {MOST_VALUES} values")
    try:
        values = frozenset(key_of(value) for value in told if value is not None)
    except TypeError:
        raise ContractError(f"{what}: values must be texts, numbers or booleans") from None
    more = len(told) - 8
    return values, ", ".join(repr(value)[:40] for value in told[:8]) + (f" and {more} more" if more > 0 else "")


def _pattern(text: Any, what: str) -> Callable[[str], object | None]:
    if not isinstance(text, str):
        raise ContractError(f"{what}: pattern must be a text")
    try:
        return parse_pattern(text)
    except ValueError as error:
        raise ContractError(f"{what}: {error}") from error
