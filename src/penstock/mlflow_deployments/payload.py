"""What MLflow's callers hand to `predict`, as the JSON that scoring takes; and its answer as they expect it. Pure.

pandas and numpy are the caller's: their objects are known by their methods, and neither is imported.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from penstock.domain.errors import invalid

_KEYS = frozenset({"input_data", "dataframe_split", "dataframe_records", "inputs", "instances"})


def body(inputs: Any) -> bytes:
    """A table, an array, rows, a mapping of arrays, or a whole request body. Raises `invalid` for anything else."""
    try:
        return json.dumps(_request(inputs)).encode()
    except (TypeError, ValueError) as err:
        raise invalid(f"inputs of type {type(inputs).__name__} cannot be sent as JSON: {err}") from err


def predictions(answer: bytes) -> dict[str, Any]:
    """`{"predictions": ...}`. Raises `invalid` if the answer is not JSON."""
    try:
        value: object = json.loads(answer)
    except ValueError:
        raise invalid(f"the deployment answered without JSON: {answer[:200].decode(errors='replace')}") from None
    if isinstance(value, Mapping) and "predictions" in value:
        return dict(cast(Mapping[str, Any], value))
    return {"predictions": value}


def _request(inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        fields = {str(k): _plain(v) for k, v in cast(Mapping[Any, Any], inputs).items()}
        return fields if _KEYS & fields.keys() else {"inputs": fields}
    if hasattr(inputs, "columns") and hasattr(inputs, "to_json"):
        return {"dataframe_split": json.loads(inputs.to_json(orient="split", date_format="iso"))}
    return {"inputs": _plain(inputs)}


def _plain(value: Any) -> Any:
    """Arrays and series as lists, in maps too."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast(Mapping[Any, Any], value).items()}
    return value.tolist() if hasattr(value, "tolist") else value
