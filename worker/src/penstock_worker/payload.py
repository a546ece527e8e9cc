"""The body of a request to an MLflow model: Azure's key or one of MLflow's, and the parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from penstock_worker.kinds import is_object, kind_of
from penstock_worker.messages import BadInputError

AZURE_KEY = "input_data"
SPLIT_KEY = "dataframe_split"
RECORDS_KEY = "dataframe_records"
KEYS = (AZURE_KEY, SPLIT_KEY, RECORDS_KEY, "inputs", "instances")


@dataclass(frozen=True)
class Payload:
    """The value under `key`, one of `KEYS`."""

    key: str
    data: Any
    params: dict[str, Any] | None


def refusal(message: str) -> BadInputError:
    """What is raised when a caller's input does not fit the model."""
    return BadInputError({"error": {"code": "BadRequest", "message": message}})


def parse(text: str) -> Payload:
    """The payload that `text` spells; raises `BadInputError`."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refusal(f"the body is not JSON: {error}") from error
    if not is_object(body):
        raise refusal(f"the body must be a JSON object with one of the keys {', '.join(KEYS)}; it is {kind_of(body)}")
    present = [key for key in KEYS if key in body]
    if not present:
        found = ", ".join(repr(key) for key in list(body)[:5]) or "none"
        raise refusal(f"the body must have one of the keys {', '.join(KEYS)}; its keys: {found}")
    if len(present) > 1:
        raise refusal(f"the body must have only one of the keys {', '.join(present)}")
    params = body.get("params")
    if params is not None and not is_object(params):
        raise refusal(f"params must be an object; it is {kind_of(params)}")
    return Payload(present[0], body[present[0]], params)
