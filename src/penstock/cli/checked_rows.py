"""Which rows of a table would break a contract, judged by the code that instances judge requests with."""

from typing import TYPE_CHECKING, Any

from penstock.domain.contract import Contract
from penstock_worker.data_contract import DataContract, contract_of
from penstock_worker.faults import Fault
from penstock_worker.guard import Guard, Verdict, Violation

if TYPE_CHECKING:
    from polars import DataFrame

MOST = 1000  # violations of one rule, as in an instance


class _Collected(Verdict):
    """A verdict that keeps what is not enforced too."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []

    def add(self, violation: Violation, fault: Fault) -> None:
        super().add(violation, fault)
        told = {"row": fault.row, "column": fault.column, "rule": violation.rule, "mode": violation.mode}
        self.rows.append({**told, "expected": fault.expected or fault.what, "got": fault.got})


def broken_rules(contract: Contract, rows: "DataFrame") -> list[dict[str, Any]]:
    """What is wrong, by row: row, column, rule, mode, expected, got. Rows are numbered from 0."""
    guard = Guard(_ready(contract))
    verdict = _Collected()
    guard.judge_columns({name: rows[name].to_list() for name in rows.columns}, verdict)
    return sorted(verdict.rows, key=lambda found: -1 if found["row"] is None else found["row"])


def _ready(contract: Contract) -> DataContract:
    return contract_of(contract.document())
