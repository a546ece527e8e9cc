"""What it costs the worker to check and convert one row against a signature: in process, without HTTP and model.

The worker needs the model's numpy, so this file is run as a script too, by an interpreter that has it.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from commands import run

WORKER = Path(__file__).resolve().parents[2] / "worker" / "src"
_WIDTHS = (30, 600)
_SECONDS = 0.5


def validation(python: Path) -> Mapping[str, Mapping[str, float]]:
    """Microseconds by what is asked and by its columns: in the signature's order, and in another one."""
    paths = os.pathsep.join(str(path) for path in (WORKER, Path(sys.modules["commands"].__file__ or "").parent))
    found = run((str(python), __file__), environment={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"})
    return json.loads(found)


def _microseconds(check: Callable[[], object]) -> float:
    """The best of several spells."""
    best = float("inf")
    until = time.perf_counter() + _SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        for _ in range(20):
            check()
        best = min(best, (time.perf_counter() - began) / 20)
    return best * 1e6


def _check_of(columns: int, *, in_order: bool) -> Callable[[], object]:
    """From the parsed body to what the model is given."""
    import numpy as np

    from penstock_worker.inputs import Inputs
    from penstock_worker.payload import Payload
    from penstock_worker.signature import Field, Signature

    names = [f"f{number}" for number in range(columns)]
    inputs = Inputs(Signature(tuple(Field(name, "double") for name in names)), np, None, as_it_comes=False)
    asked = names if in_order else names[::-1]
    body = json.dumps({"columns": asked, "data": [[number / 7 for number in range(columns)]]})
    payload = Payload("input_data", json.loads(body), None)
    return lambda: inputs.of(payload)


def _main() -> None:
    orders = {"columns in the signature's order": True, "in another order": False}
    found = {
        name: {str(width): _microseconds(_check_of(width, in_order=in_order)) for width in _WIDTHS}
        for name, in_order in orders.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    _main()
