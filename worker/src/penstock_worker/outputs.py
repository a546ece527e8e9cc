"""What a model returns, as JSON: arrays, tables and their scalars are recognised by what they can do."""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal
from typing import Any, Callable

from penstock_worker.fast_json import dumps
from penstock_worker.kinds import is_list, is_object
from penstock_worker.messages import JSON_LINE, NOT_FAILED, Response

_NULLS = ("NaTType", "NAType")  # of pandas
_DEEPEST_PLACE = 20


_LINES = JSON_LINE + NOT_FAILED


def model_answer(result: Any, *, wrapped: bool) -> Response:
    """The answer with `result`, under `predictions` if `wrapped`. Raises TypeError for what has no JSON form."""
    return Response(200, encode(result, wrapped=wrapped), _LINES)


def encode(result: Any, *, wrapped: bool) -> bytes:
    """The JSON of `result`: nested lists, a list of records for a table, under `predictions` if `wrapped`.

    NaN and infinities, which JSON does not have, become null. Raises TypeError for what has no JSON form.
    """
    value = result if result.__class__ is list else _structure(result)
    value = {"predictions": value} if wrapped else value
    try:
        return dumps(value)
    except (ValueError, TypeError):
        pass  # not only lists, objects, numbers and texts
    try:
        text = json.dumps(value, default=_plain, allow_nan=False)
    except (ValueError, TypeError):
        text = json.dumps(_clean(value), allow_nan=False)
    return text.encode("ascii")


def place_of_fault(value: Any, encoded: Callable[[Any], object]) -> str:
    """Where in `value` lies what `encoded` raises for, and its type: `result["scores"][0] is a numpy.ndarray`.

    Follows the first part of each list and object that cannot be encoded by itself.
    """
    path = "result"
    for _ in range(_DEEPEST_PLACE):
        faulty = next(((key, part) for key, part in _parts(value) if _raises(encoded, part)), None)
        if faulty is None:
            break
        path += f"[{json.dumps(faulty[0]) if isinstance(faulty[0], str) else repr(faulty[0])}]"
        value = faulty[1]
    kind: type[Any] = value.__class__
    module = "" if kind.__module__ in ("builtins", "entry_module") else f"{kind.__module__}."
    return f"{path} is a {module}{kind.__qualname__}"


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if is_object(value):
        return list(value.items())
    if is_list(value) or isinstance(value, tuple):
        return list(enumerate(value))  # pyright: ignore[reportUnknownArgumentType]
    return []


def _raises(encoded: Callable[[Any], object], value: Any) -> bool:
    try:
        encoded(value)
    except Exception:  # noqa: BLE001 - whatever keeps it from being encoded
        return True
    return False


def _structure(value: Any) -> Any:
    if getattr(getattr(value, "dtype", None), "kind", "") in ("b", "i", "u", "f", "U") and hasattr(value, "tolist"):
        return value.tolist() if not hasattr(value, "to_frame") else value.to_frame().to_dict(orient="records")
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict(orient="records")
    if hasattr(value, "to_frame") and hasattr(value, "index"):
        return value.to_frame().to_dict(orient="records")
    return value


def _plain(value: Any) -> Any:
    """A form that JSON has of something it has not."""
    if type(value).__name__ in _NULLS:
        return None
    if getattr(getattr(value, "dtype", None), "kind", "") == "M" and hasattr(value, "tolist"):
        # numpy's times of nanoseconds would become bare numbers.
        return value.astype("datetime64[us]").tolist()
    for method in ("isoformat", "tolist", "toarray"):
        if hasattr(value, method):
            return getattr(value, method)()
    if hasattr(value, "to_dict"):
        return _structure(value)
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (set, frozenset)):
        return list(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"the model returned a {type(value).__name__}, which has no JSON form")


def _clean(value: Any) -> Any:
    """`value` with nulls for what is not finite and strings for all keys."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_object(value):
        return {_key(key): _clean(item) for key, item in value.items()}
    if is_list(value) or isinstance(value, tuple):
        return [_clean(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return _clean(_plain(value))


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key)
