"""The body of a request to an MLflow model: Azure's key or one of MLflow's, and the parameters."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

from penstock_worker.fast_json import loads
from penstock_worker.kinds import is_object, kind_of
from penstock_worker.messages import BadInputError

AZURE_KEY = "input_data"
SPLIT_KEY = "dataframe_split"
RECORDS_KEY = "dataframe_records"
KEYS = (AZURE_KEY, SPLIT_KEY, RECORDS_KEY, "inputs", "instances")


class Payload(NamedTuple):
    """The value under `key`, one of `KEYS`."""

    key: str
    data: Any
    params: Optional[dict[str, Any]]


def refusal(message: str) -> BadInputError:
    """What is raised when a caller's input does not fit the model."""
    return BadInputError({"error": {"code": "BadRequest", "message": message}})


def parse(content: bytes) -> Payload:
    """The payload that `content` spells; raises `BadInputError`."""
    body = parsed(content)
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


def parsed(content: bytes) -> Any:
    """The value that a body spells in JSON; raises `BadInputError`."""
    try:
        return loads(content)
    except (ValueError, RecursionError):
        pass  # NaN, which models may take, is Python's JSON alone
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise refusal(f"Input cannot be decoded as UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise refusal(f"the body is not JSON: {error}") from error
