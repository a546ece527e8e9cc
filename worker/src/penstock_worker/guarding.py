"""How bad input is met: what callers are told of it, and the data contracts that are in force now.

Contracts come in a file that the platform writes and changes; it is looked at again about once a second, never by a
request. One that cannot be understood changes nothing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker import contract
from penstock_worker.data_contract import contract_of
from penstock_worker.faults import FaultyInputError
from penstock_worker.guard import Guard, Verdict
from penstock_worker.kinds import is_list, is_object
from penstock_worker.logs import log
from penstock_worker.messages import Response

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from penstock_worker.counters import Counters

VIOLATIONS = "penstock_contract_violations_total"
_LARGEST_FILE = 8 * 1024 * 1024
_LOG_SECONDS = 10.0  # between two lines about violations
_SHOWN = 3  # rules in such a line

Answer = Callable[[Any], Response]
Judging = Callable[[Guard, Verdict], None]


class RefusedByStrictError(Exception):
    """Azure's server fails on what does not fit the signature, and so does `PENSTOCK_COMPAT=strict`: with 500."""


@dataclass(frozen=True)
class Policy:
    """Settings of a deployment, from the variables of the same names."""

    verbosity: str = contract.FULL
    refuse_unknown: bool = False
    strict: bool = False


class Guarding:
    """The policy, and the guards of the contracts in force. `guards` is replaced as a whole."""

    def __init__(self, policy: Policy, counters: Counters | None = None, path: Path | None = None) -> None:
        self.policy = policy
        self.guards: tuple[Guard, ...] = ()
        self._counters = counters
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._logged_at = 0.0
        self._unlogged = 0

    def refusal(self, error: FaultyInputError) -> Exception:
        """What to raise for an input with faults: those against contracts too, told as the policy wants."""
        verdict = Verdict(error.faults)
        if error.columns:
            for guard in self.guards:
                guard.judge_columns(error.columns, verdict, error.rows, complete=False)
        self._count(verdict)
        told = FaultyInputError(error.faults, self.policy.verbosity)
        if self.policy.strict:
            return RefusedByStrictError(told.body["error"]["message"])
        return told

    def admit(self, judging: Judging, answer: Answer) -> Answer:
        """`answer`, with a header where there are warnings; raises `FaultyInputError` if an enforced rule is broken."""
        verdict = Verdict()
        for guard in self.guards:
            judging(guard, verdict)
        if not verdict.counts:
            return answer
        self._count(verdict)
        if verdict.faults.count:
            raise FaultyInputError(verdict.faults, self.policy.verbosity)
        warnings = verdict.warnings
        return _warned(answer, warnings) if warnings else answer

    def look(self) -> None:
        """Take the contracts of the file if it was changed."""
        if self._path is None:
            return
        try:
            found = os.stat(self._path)
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            seen = ()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.guards = _read(self._path) if seen else ()
        except (OSError, ValueError, RecursionError) as error:
            log.error("the contracts in %s are not taken, those before stay in force: %s", self._path, error)
            return
        if self.guards or seen:
            log.info("contracts in force: %s", ", ".join(guard.contract.name for guard in self.guards) or "none")

    def _count(self, verdict: Verdict) -> None:
        if self._counters is not None:
            for (name, rule, mode), count in verdict.counts.items():
                self._counters.add(VIOLATIONS, count, contract=name, rule=rule, mode=mode)
        self._log(verdict)

    def _log(self, verdict: Verdict) -> None:
        if not verdict.counts:
            return
        self._unlogged += 1
        now = monotonic()
        if self._logged_at and now - self._logged_at < _LOG_SECONDS:
            return
        self._logged_at = now
        rules = ", ".join(f"{name}/{rule} ({mode})" for name, rule, mode in list(verdict.counts)[:_SHOWN])
        log.warning("%d requests broke contracts, the last one: %s", self._unlogged, rules)
        self._unlogged = 0


def _read(path: Path) -> tuple[Guard, ...]:
    with open(path, "rb") as file:
        content = file.read(_LARGEST_FILE + 1)
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"it is larger than {_LARGEST_FILE} bytes")
    told = json.loads(content)
    if not is_object(told) or not is_list(told.get("contracts")):
        raise ValueError("it is no object with contracts")
    return guards_of(told["contracts"])


def guards_of(documents: Sequence[Any]) -> tuple[Guard, ...]:
    """The guards of contracts as JSON; raises `ContractError`."""
    return tuple(Guard(contract_of(document)) for document in documents)


def _warned(answer: Answer, warnings: int) -> Answer:
    line = b"x-penstock-contract: %d %b\r\n" % (warnings, b"violation" if warnings == 1 else b"violations")

    def answered(result: Any) -> Response:
        status, body, lines, stream = answer(result)
        return Response(status, body, lines + line, stream)

    return answered
