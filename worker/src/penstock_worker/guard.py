"""Data contracts made ready: tables are judged by them, matrices in one comparison, other tables column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, NamedTuple

from penstock_worker.data_contract import ENFORCE, WARN, ColumnRule, DataContract, RowRule, key_of
from penstock_worker.faults import Fault, Faults
from penstock_worker.judges import MISSING, UNIQUE, expected, is_clean, judge_of
from penstock_worker.kinds import kind_of
from penstock_worker.screen import Screen, may_be_screened
from penstock_worker.table import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from penstock_worker.judges import Judge

TABLE = "table"  # the rule that there is one
MOST_COUNTED = 1000  # violations of one column or rule by one request: a hundred thousand rows cost no more time


class Violation(NamedTuple):
    """Label values of the metric: contract, rule (`age.range`), mode."""

    contract: str
    rule: str
    mode: str


class Verdict:
    """What a guard has found in one input. `faults` are those of rules that are enforced."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = Faults() if faults is None else faults
        self.counts: dict[Violation, int] = {}

    @property
    def warnings(self) -> int:
        return sum(count for violation, count in self.counts.items() if violation.mode == WARN)

    def add(self, violation: Violation, fault: Fault) -> None:
        self.counts[violation] = self.counts.get(violation, 0) + 1
        if violation.mode == ENFORCE:
            self.faults.add(fault)


class Guard:
    """Judges tables by one contract."""

    def __init__(self, contract: DataContract) -> None:
        self.contract = contract
        self._judges = [(rule, judge_of(rule)) for rule in contract.columns]
        screened = [rule for rule in contract.columns if may_be_screened(rule)]
        self._screen = Screen(screened)
        self._unscreened = [pair for pair in self._judges if pair[0] not in screened]
        self._known: _Limits | None = None

    def judge_matrix(self, matrix: Any, names: Sequence[Any], numpy: Any, verdict: Verdict) -> None:
        """Judge a numpy matrix whose columns are `names`."""
        limits = self._limits(names, matrix.dtype, numpy)
        suspects = limits.always
        good = (matrix >= limits.least) & (matrix <= limits.most)
        if limits.whole:
            whole = matrix[:, limits.whole]
            good[:, limits.whole] &= whole == numpy.floor(whole)
        if not good.all():
            suspects = sorted({*suspects, *numpy.flatnonzero(~good.all(axis=0)).tolist()})
        for at in suspects:
            pair = limits.judges[at]
            if pair is not None:
                rule, judge = pair
                self._judge_column(rule, judge, matrix[:, at].tolist(), None, verdict)
        self._note_missing(limits.missing, verdict)
        if self.contract.rules:
            columns = {name: matrix[:, at].tolist() for at, name in enumerate(names) if name in limits.used}
            self._judge_rows(columns, None, verdict)

    def refuse_table(self, faults: Faults, verdict: Verdict) -> None:
        """Note that there is no sound table to judge."""
        for fault in faults:
            label = f"{self.contract.name}/{TABLE}"
            verdict.add(Violation(self.contract.name, TABLE, self.contract.mode), fault._replace(rule=label))

    def judge_columns(
        self,
        columns: Mapping[Any, Sequence[Any]],
        verdict: Verdict,
        numbers: Sequence[int] | None = None,
        *,
        complete: bool = True,
    ) -> None:
        """Judge columns of one length; `numbers` are the rows' own. Missing ones count if it is `complete`."""
        single = next((len(values) == 1 for values in columns.values()), False)
        for rule, judge in self._unscreened if single and self._screen.passes(columns) else self._judges:
            values = columns.get(rule.name)
            if values is None:
                if rule.required and complete:
                    self._note_missing((rule,), verdict)
            elif single or not is_clean(rule, values):
                self._judge_column(rule, judge, values, numbers, verdict)
        if self.contract.rules:
            self._judge_rows(columns, numbers, verdict)

    def _judge_column(
        self, rule: ColumnRule, judge: Any, values: Sequence[Any], numbers: Sequence[int] | None, verdict: Verdict
    ) -> None:
        found = ((at, offence) for at, value in enumerate(values) if (offence := judge(value)) is not None)
        self._note(rule, found, values, numbers, verdict)
        if rule.unique and len(values) > 1:
            self._note(rule, ((at, UNIQUE) for at in _repeated(values)), values, numbers, verdict)

    def _note(
        self,
        rule: ColumnRule,
        found: Iterable[tuple[int, str]],
        values: Sequence[Any],
        numbers: Sequence[int] | None,
        verdict: Verdict,
    ) -> None:
        for count, (at, offence) in enumerate(found):
            if count == MOST_COUNTED:
                break
            row, wanted, got = at if numbers is None else numbers[at], expected(rule, offence), kind_of(values[at])
            label = f"{rule.name}.{offence}"
            what = f"column {rule.name!r}, row {row}: expected {wanted}"
            fault = Fault(what, f", got {got}", row, rule.name, wanted, got, f"{self.contract.name}/{label}")
            verdict.add(Violation(self.contract.name, label, rule.mode), fault)

    def _note_missing(self, rules: Iterable[ColumnRule], verdict: Verdict) -> None:
        for rule in rules:
            label = f"{rule.name}.{MISSING}"
            what = f"column {rule.name!r} is missing, which contract {self.contract.name!r} wants"
            fault = Fault(
                what, "", None, rule.name, expected(rule, MISSING), "nothing", f"{self.contract.name}/{label}"
            )
            verdict.add(Violation(self.contract.name, label, rule.mode), fault)

    def _judge_rows(
        self, columns: Mapping[Any, Sequence[Any]], numbers: Sequence[int] | None, verdict: Verdict
    ) -> None:
        for rule in self.contract.rules:
            values = [columns.get(name) for name in rule.expression.names]
            rows = next((len(column) for column in values if column is not None), 0)
            absent: Sequence[Any] = (None,) * rows
            violated, count = rule.expression.violated, 0
            for at, row in enumerate(zip(*(absent if column is None else column for column in values))):  # noqa: B905
                if violated(row) and ABSENT not in row:
                    self._note_row(rule, at if numbers is None else numbers[at], verdict)
                    count += 1
                    if count == MOST_COUNTED:
                        break

    def _note_row(self, rule: RowRule, row: int, verdict: Verdict) -> None:
        wanted = rule.message or rule.text
        fault = Fault(f"row {row}: expected {wanted}", "", row, None, wanted, "", f"{self.contract.name}/{rule.name}")
        verdict.add(Violation(self.contract.name, rule.name, rule.mode), fault)

    def _limits(self, names: Sequence[Any], dtype: Any, numpy: Any) -> _Limits:
        """The limits of a matrix with these columns; models have the same ones always."""
        known = self._known
        if known is None or known.names is not names or known.dtype != dtype:
            known = self._known = _limits_of(self._judges, self.contract.rules, names, numpy, dtype)
        return known


class _Limits(NamedTuple):
    """What a matrix is compared with. `always` are the columns of which limits alone do not tell enough."""

    names: Sequence[Any]
    dtype: Any
    least: Any
    most: Any
    judges: list[tuple[ColumnRule, Judge] | None]
    always: list[int]
    whole: list[int]  # those of whole numbers
    missing: tuple[ColumnRule, ...]
    used: frozenset[str]


def _limits_of(
    judges: Sequence[Any], rules: Sequence[RowRule], names: Sequence[Any], numpy: Any, dtype: Any
) -> _Limits:
    by_name = {rule.name: (rule, judge) for rule, judge in judges}
    found = [by_name.get(name) for name in names]
    # Infinities of a column without a rule let everything pass but NaN, of which nobody is asked then.
    least = numpy.array([-numpy.inf if pair is None else pair[0].least for pair in found], dtype=dtype)
    most = numpy.array([numpy.inf if pair is None else pair[0].most for pair in found], dtype=dtype)
    always = [at for at, pair in enumerate(found) if pair is not None and not _is_limits_alone(pair[0])]
    whole = [at for at, pair in enumerate(found) if pair is not None and pair[0].type == "integer"]
    missing = tuple(rule for rule, _ in judges if rule.required and rule.name not in names)
    used = frozenset(name for rule in rules for name in rule.expression.names)
    return _Limits(names, dtype, least, most, found, always, whole, missing, used)


def _is_limits_alone(rule: ColumnRule) -> bool:
    told = rule.values is not None or rule.unique or rule.matches is not None
    return rule.type in ("", "number", "integer") and not told


def _repeated(values: Sequence[Any]) -> list[int]:
    """Where values stand that a row above has; nulls are not compared."""
    seen: set[Any] = set()
    found: list[int] = []
    for at, value in enumerate(values):
        if value is None or value is ABSENT or isinstance(value, (list, dict)):
            continue
        key = key_of(value)
        if key in seen:
            found.append(at)
        seen.add(key)
    return found
