"""What it costs the worker to check and convert one row against a signature, in process, without HTTP and model."""

import json
import time
from collections.abc import Callable

WIDTHS = (30, 600)
_SECONDS = 0.5


def validation_microseconds(columns: int) -> float:
    """Of one request with a row of so many named doubles, its JSON already parsed; the best of several spells."""
    check = _checker(columns)
    check()
    best = float("inf")
    until = time.perf_counter() + _SECONDS
    while time.perf_counter() < until:
        began = time.perf_counter()
        for _ in range(20):
            check()
        best = min(best, (time.perf_counter() - began) / 20)
    return best * 1e6


def _checker(columns: int) -> Callable[[], object]:
    """The worker's own steps from the parsed body to columns of the signature's types."""
    from penstock_worker.columns import converted
    from penstock_worker.payload import Payload
    from penstock_worker.signature import Field, Signature
    from penstock_worker.table import arrange, table_of

    names = [f"f{number}" for number in range(columns)]
    signature = Signature(tuple(Field(name, "double") for name in names))
    data = json.loads(json.dumps({"columns": names, "data": [[number / 7 for number in range(columns)]]}))
    payload = Payload("input_data", data, None)

    def check() -> object:
        table = table_of(payload, signature)
        arranged = arrange(table, signature.fields, payload.key)
        return [
            converted(field, str(field.name), values or [], str)
            for field, values in zip(signature.fields, arranged, strict=True)
        ]

    return check
