"""What is wrong with an input: all of it is counted, the first faults are told, and how much of each is a setting."""

from __future__ import annotations

import json
from typing import Any, Iterator, NamedTuple

from penstock_worker import contract
from penstock_worker.kinds import kind_of
from penstock_worker.messages import BadInputError

MOST = 100  # faults that an answer tells
_LONGEST = 32 * 1024  # bytes of an answer's details
_LONGEST_TEXT = 300  # characters of a name or sentence
_SPARE = 1000  # more faults are kept than told: those of guards come behind the signature's
_ONE_SENTENCE = "the input does not fit what the model expects"


class Fault(NamedTuple):
    """One fault. `what` is a sentence without the caller's values, `tail` its end with them: `; it is null`."""

    what: str
    tail: str = ""
    row: int | None = None
    column: str | None = None
    expected: str = ""
    got: str = ""
    rule: str = ""  # of a data contract, as CONTRACT/RULE

    def detail(self, *, values: bool) -> dict[str, Any]:
        told: dict[str, Any] = {} if self.row is None else {"row": self.row}
        if self.column is not None:
            told["column"] = _short(self.column)
        told["expected"] = _short(self.expected or self.what)
        if values and self.got:
            told["got"] = self.got
        if self.rule:
            told["rule"] = self.rule
        return told


class Faults:
    """Collects the faults of one input. Those beyond a bound are counted alone."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._kept)

    def add(self, fault: Fault) -> None:
        self.count += 1
        if len(self._kept) < _SPARE:
            self._kept.append(fault)

    def extend(self, others: Faults) -> None:
        self._kept += others._kept[: _SPARE - len(self._kept)]
        self.count += others.count

    def value(self, column: Any, row: int, expected: str, value: Any) -> None:
        """Add that a value of a column is not what was expected."""
        self.count += 1
        if len(self._kept) < _SPARE:  # no words are made for what will not be told
            got, name = kind_of(value), _short(str(column))
            what = f"column {column if isinstance(column, int) else repr(name)}, row {row}: expected {expected}"
            self._kept.append(Fault(what, f", got {got}", row, name, expected, got))

    def check(self) -> None:
        """Raise what was found, if anything was."""
        if self.count:
            raise FaultyInputError(self)


class FaultyInputError(BadInputError):
    """An input with faults. `columns` holds what could be read of it all the same, `rows` the numbers of its rows."""

    def __init__(self, faults: Faults, verbosity: str = contract.FULL) -> None:
        super().__init__(body_of(faults, verbosity))
        self.faults = faults
        self.columns: dict[Any, list[Any]] = {}
        self.rows: list[int] | None = None


def faulty(what: str, tail: str = "", column: str | None = None) -> FaultyInputError:
    """The error for a fault after which nothing more can be said of the input."""
    faults = Faults()
    faults.add(Fault(what, tail, column=column))
    return FaultyInputError(faults)


def body_of(faults: Faults, verbosity: str) -> dict[str, Any]:
    """What the caller is told, in Azure's form, within bounds: the first fault in a sentence, then each by itself."""
    if verbosity == contract.NONE:
        return {"error": {"code": "BadRequest", "message": _ONE_SENTENCE}}
    values = verbosity == contract.FULL
    first = next(iter(faults))
    message = _short(first.what, 4 * _LONGEST_TEXT) + (_short(first.tail) if values else "")
    if faults.count > 1:
        message += f" (and {faults.count - 1} more {'fault' if faults.count == 2 else 'faults'})"
    details = _bounded(faults, values=values)
    error: dict[str, Any] = {"code": "BadRequest", "message": message, "details": details}
    if faults.count > len(details):
        error["more"] = faults.count - len(details)
    return {"error": error}


def _bounded(faults: Faults, *, values: bool) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    size = 0
    for fault in faults:
        detail = fault.detail(values=values)
        size += len(json.dumps(detail)) + 2
        if len(details) == MOST or size > _LONGEST:
            break
        details.append(detail)
    return details


def _short(text: str, limit: int = _LONGEST_TEXT) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
