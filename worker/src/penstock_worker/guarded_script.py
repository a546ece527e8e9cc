"""A scoring script behind data contracts: the table in the body is judged before run() is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock_worker.faults import Faults, FaultyInputError, faulty
from penstock_worker.kinds import is_list, is_object
from penstock_worker.payload import Payload, parsed
from penstock_worker.table import table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.data_contract import DataContract
    from penstock_worker.entry import Call, Entry
    from penstock_worker.guard import Guard, Verdict
    from penstock_worker.guarding import Guarding
    from penstock_worker.messages import Request
    from penstock_worker.model import Model


def guarded(entry: Entry, model: Model | None, guarding: Guarding) -> Entry:
    """`entry` under `guarding`: a model reads its inputs under it, a script is put behind it."""
    if model is None:
        return GuardedScript(entry, guarding)
    model.inputs.guarding = guarding
    return entry


class GuardedScript:
    """`script`, with requests that break a contract refused. Without contracts nothing is parsed."""

    def __init__(self, script: Entry, guarding: Guarding) -> None:
        self._script = script
        self._guarding = guarding
        self.batch_rows = script.batch_rows

    def read(self, request: Request) -> Call:
        call = self._script.read(request)
        if self._guarding.guards and request.method != "GET":
            self._guard(request.body, call)
        return call

    def run(self, call: Call) -> Any:
        return self._script.run(call)

    def run_batch(self, calls: Sequence[Call]) -> Sequence[Any]:
        return self._script.run_batch(calls)

    def _guard(self, content: bytes, call: Call) -> None:
        body = parsed(content)

        def judge(guard: Guard, verdict: Verdict) -> None:
            faults = Faults()
            try:
                columns, numbers = _columns(body, guard.contract, faults)
                guard.judge_columns(columns, verdict, numbers)
            except FaultyInputError as error:
                faults = error.faults
            guard.refuse_table(faults, verdict)

        call.answer = self._guarding.admit(judge, call.answer)


def _columns(body: Any, contract: DataContract, faults: Faults) -> tuple[dict[Any, list[Any]], Sequence[int] | None]:
    """The columns of the table that the contract speaks of, by name or, where it has none, in the contract's order."""
    data = body.get(contract.input) if is_object(body) else None
    if not is_list(data) and not is_object(data):
        raise faulty(f"the body must have a table under the key {contract.input!r}")
    table = table_of(Payload(contract.input, data, None), None, faults)
    names = table.names
    if names is None:
        names = [rule.name for rule in contract.columns]
        if len(names) < len(table.columns):
            raise faulty(f"{contract.input} has {len(table.columns)} columns; {len(names)} are expected")
    return dict(zip(names, table.columns)), table.numbers  # noqa: B905 - Python 3.9
