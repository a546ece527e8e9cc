"""How long predictions take, before and after."""

from __future__ import annotations

import statistics
import time
import warnings
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.compiler.data import Rows
    from penstock_worker.compiler.original import Original

_SIZES = (1, 64)  # rows of a call
_ROUNDS = 5  # back to back, as a machine's speed drifts
_SECONDS = 0.06  # of each round


def timings(original: Original, compiled: Any, rows: Rows) -> Iterator[dict[str, Any]]:
    """Microseconds per call: of the model alone, given an array where both take one, and of MLflow's `predict`."""
    for size in _SIZES:
        data = rows.first(size)
        before, after = _alone(original, compiled, data, rows)
        yield {"rows": size, "call": "model", **_timed(before, after)}
        yield {
            "rows": size,
            "call": "pyfunc",
            **_timed(lambda data=data: original.pyfunc.predict(data), lambda data=data: compiled.predict(data)),
        }


def _alone(original: Original, compiled: Any, data: Any, rows: Rows) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The fastest way to call each of them."""
    inner = compiled._model_impl
    predict = getattr(original.raw, original.function)
    if not hasattr(inner, "predict_array"):
        return (lambda: predict(data)), (lambda: inner.predict(data))
    matrix = rows.matrix(data)
    quick = matrix.astype(inner.array_dtype)
    given = _accepted(predict, [matrix, data])
    if given is None:  # a booster, which MLflow has a table made into its own kind of matrix for
        wrapped = original.pyfunc._model_impl.predict
        return (lambda: wrapped(data)), (lambda: inner.predict_array(quick))
    return (lambda: predict(given)), (lambda: inner.predict_array(quick))


def _accepted(predict: Callable[[Any], Any], inputs: list[Any]) -> Any:
    for data in inputs:
        try:
            predict(data)
        except Exception:  # noqa: BLE001, S112 - a model may refuse by any error
            continue
        return data
    return None


def _timed(before: Callable[[], Any], after: Callable[[], Any]) -> dict[str, float]:
    """The medians of rounds of both, taken in turn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = [(_round(before), _round(after)) for _ in range(_ROUNDS)]
    first = statistics.median(one for one, _ in pairs)
    second = statistics.median(other for _, other in pairs)
    return {"before_us": round(first, 1), "after_us": round(second, 1)}


def _round(call: Callable[[], Any]) -> float:
    """Microseconds of one call, on average."""
    calls, began = 0, time.perf_counter()
    while True:
        call()
        calls += 1
        passed = time.perf_counter() - began
        if passed >= _SECONDS:
            return passed / calls * 1e6
