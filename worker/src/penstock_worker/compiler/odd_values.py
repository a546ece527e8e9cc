"""Missing values and infinities: what the original refuses, or the compiled model answers otherwise, is refused."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.compiler.comparison import difference

if TYPE_CHECKING:
    from penstock_worker.compiler.data import Rows
    from penstock_worker.compiler.original import Original

Predict = Callable[[Any], Any]

_FRACTIONS = ("double", "float")
_MOST_ALONE = 1000  # columns that are tried one by one; where there are more, all or none are refused


def refusals(original: Original, compiled: Predict, rows: Rows, tolerance: float) -> dict[str, Any]:
    """The facts for the loader: the columns (of those that hold numbers) that NaN is refused in, and infinities."""
    places = _fractions(original)
    if not places:
        return {"nan_refused": [], "infinity_refused": False}
    predict = original.pyfunc.predict
    alike = _alike(predict, compiled, rows, tolerance)
    numbers = [place for place, field in enumerate(original.signature.fields) if field.type != "string"]
    at = {place: number for number, place in enumerate(numbers)} if not original.signature.tensors else {}
    refused = places
    if _answers(predict, rows.with_values(places, math.nan)):
        refused = [] if alike(places, math.nan) else places
    elif len(places) <= _MOST_ALONE:
        refused = [place for place in places if not alike([place], math.nan)]
    infinity = not (alike(places, math.inf) and alike(places, -math.inf))
    return {"nan_refused": [at.get(place, place) for place in refused], "infinity_refused": infinity}


def _fractions(original: Original) -> list[int]:
    """Places of the columns that can hold NaN and infinities."""
    signature = original.signature
    if signature.tensors:
        return list(range(original.width)) if signature.fields[0].type.startswith("f") else []
    return [place for place, field in enumerate(signature.fields) if field.type in _FRACTIONS]


def _alike(predict: Predict, compiled: Predict, rows: Rows, tolerance: float) -> Callable[[list[int], float], bool]:
    def alike(places: list[int], value: float) -> bool:
        tried = rows.with_value(places, value)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return difference(predict(tried).tolist(), compiled(tried).tolist()) <= tolerance
        except Exception:  # noqa: BLE001 - a model may refuse by any error
            return False

    return alike


def _answers(predict: Predict, data: Any) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            predict(data)
    except Exception:  # noqa: BLE001 - as above
        return False
    return True
