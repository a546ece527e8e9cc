"""What reads bytes of strangers, and what it may raise: one function each, which fails for anything else.

.venv/bin/python tests/fuzz/fuzz.py requests -max_total_time=60
"""

import contextlib
import json
from collections.abc import Callable, Mapping

from penstock_worker.data_contract import contract_of
from penstock_worker.expressions import parse_expression
from penstock_worker.faults import Faults
from penstock_worker.guard import Guard, Verdict
from penstock_worker.inputs import Inputs
from penstock_worker.messages import BadInputError
from penstock_worker.patterns import parse_pattern
from penstock_worker.payload import parse
from penstock_worker.signature import Field, Signature
from penstock_worker.table import table_of

_FIELDS = [Field(kind[0], kind) for kind in ("double", "long", "string", "boolean", "binary", "integer")]
_SIGNED = Inputs(Signature(tuple(_FIELDS)), None, None, as_it_comes=False)
_ROW = [None, True, 1, -1.5, "a", [], {}]
_GUARD = Guard(
    contract_of(
        {
            "columns": {"d": {"type": "number", "maximum": 9}, "s": {"pattern": "a{1,3}", "unique": True}},
            "rules": [{"check": "d > l or s in ['x'] or len(s) < 2"}],
        }
    )
)


def requests(content: bytes) -> None:
    """The body of a request to a model with a signature, and to a guarded script."""
    with contextlib.suppress(BadInputError):
        payload = parse(content)
        with contextlib.suppress(BadInputError):
            data = _SIGNED.of(payload)
            _GUARD.judge_columns(data.value, Verdict())
        table = table_of(payload, None, Faults())
        names = table.names or range(len(table.columns))
        _GUARD.judge_columns(dict(zip(names, table.columns, strict=False)), Verdict())


def expressions(content: bytes) -> None:
    """A rule of a contract, and rows of all kinds under it."""
    with contextlib.suppress(ValueError):
        expression = parse_expression(content.decode("utf-8", "replace"))
        for at in range(len(_ROW)):
            expression.violated([_ROW[(at + place) % len(_ROW)] for place in range(len(expression.names))])


def patterns(content: bytes) -> None:
    """A pattern of a contract, and a text that it tries hard on."""
    with contextlib.suppress(ValueError):
        text = content.decode("utf-8", "replace")
        parse_pattern(text)((text * 256)[:256])


def contracts(content: bytes) -> None:
    """The file of a contract."""
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(content)
        with contextlib.suppress(ValueError):
            Guard(contract_of(document)).judge_columns({"a": [1, None, "x"]}, Verdict())


PARSERS: Mapping[str, Callable[[bytes], None]] = {
    "requests": requests,
    "expressions": expressions,
    "patterns": patterns,
    "contracts": contracts,
}
# What the search starts from.
SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "requests": (
        b'{"input_data": {"columns": ["d", "l", "s", "b", "i"], "index": [0], "data": [[1.5, 2, "a", true, 3]]}}',
        b'{"dataframe_records": [{"d": null, "l": 1, "s": "x"}], "params": {}}',
        b'{"inputs": {"d": [1, 2], "s": ["a", NaN]}}',
        b'{"instances": [[1, 2, "a", true, "aGk=", 3]]}',
    ),
    "expressions": (b"a < 3 and (b in ['x', 1] or c is not null)", b"len(column('a b')) * 2 % 3 == -abs(d) / 1.5"),
    "patterns": (rb"[A-Z]{2}-\d{2,4}(?:-x|y)?", rb"[^@]+@[^@]{1,9}"),
    "contracts": (b'{"mode": "warn", "columns": {"a": {"type": "number", "minimum": 0, "values": [1]}}, "rules": []}',),
}
