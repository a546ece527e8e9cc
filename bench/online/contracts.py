"""What it costs a request to be checked: against a model's signature, and against a data contract besides.

Prints microseconds for one row with 30 and with 600 columns, numbers alone and mixed with texts and booleans. The
body is parsed already; the input that the model takes is made. Needs numpy, which a model's environment brings:

    uv run --quiet --no-project --with numpy --with orjson python bench/online/contracts.py
"""

import sys
from collections.abc import Callable
from pathlib import Path
from timeit import Timer
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "worker" / "src"))

import numpy

from penstock_worker.data_contract import contract_of
from penstock_worker.guard import Guard, Verdict
from penstock_worker.inputs import Inputs
from penstock_worker.payload import AZURE_KEY, Payload
from penstock_worker.signature import Field, Signature

WIDTHS = (30, 600)
ROUNDS = 7
MIXTURE = ("double", "string", "long", "boolean", "double")
VALUES = {"double": 1.5, "string": "blue", "long": 7, "boolean": True}
RULES: dict[str, dict[str, Any]] = {
    "double": {"type": "number", "minimum": 0, "maximum": 10},
    "long": {"type": "integer", "minimum": 0, "maximum": 10},
    "string": {"type": "string", "values": ["red", "green", "blue"]},
    "boolean": {"type": "boolean"},
}


def main() -> None:
    print(f"{'columns':>8}  {'what':<22}{'signature':>12}{'with contract':>16}   microseconds, best of {ROUNDS}")
    for width in WIDTHS:
        for name, types in (("numbers", ("double",)), ("mixed", MIXTURE)):
            for shape in ("split", "records"):
                alone, guarded = measured([types[at % len(types)] for at in range(width)], shape)
                print(f"{width:>8}  {name + ', ' + shape:<22}{alone:>12.1f}{guarded:>16.1f}")


def measured(types: list[str], shape: str) -> tuple[float, float]:
    names = [f"column_{at}" for at in range(len(types))]
    signature = Signature(tuple(Field(name, kind) for name, kind in zip(names, types, strict=True)))
    inputs = Inputs(signature, numpy, None, as_it_comes=False)
    columns = {name: RULES[kind] for name, kind in zip(names, types, strict=True)}
    rule = {"name": "order", "check": "column_0 >= 0 and column_4 is not null"}
    guard = Guard(contract_of({"columns": columns, "rules": [rule]}))
    row = [VALUES[kind] for kind in types]
    data: Any = {"columns": names, "data": [row]} if shape == "split" else [dict(zip(names, row, strict=True))]
    payload = Payload(AZURE_KEY, data, None)

    def judged() -> None:
        verdict = Verdict()
        inputs.judge(inputs.of(payload), guard, verdict)
        assert not verdict.counts

    return best(lambda: inputs.of(payload)), best(judged)


def best(function: Callable[[], object]) -> float:
    timer = Timer(function)
    number, _ = timer.autorange()
    number = max(1, number // 5)
    return min(timer.repeat(ROUNDS, number)) / number * 1e6


if __name__ == "__main__":
    main()
