"""The MLflow example as it is asked: its rows in every form that it understands, and bodies that it does not."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from support.callers import Caller


@dataclass(frozen=True)
class Diabetes:
    """The MLflow model's caller, and rows with what the training process predicted for them."""

    caller: Caller
    rows: Mapping[str, Any]
    predictions: Sequence[float]

    def score(self, body: object) -> httpx.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return self.caller.score(text, azureml_model_deployment="blue")


def split(data: Mapping[str, Any]) -> Any:
    return {"columns": data["columns"], "data": data["data"]}


def records(data: Mapping[str, Any]) -> Any:
    return [dict(zip(data["columns"], row, strict=True)) for row in data["data"]]


def columns(data: Mapping[str, Any]) -> Any:
    return {name: [row[n] for row in data["data"]] for n, name in enumerate(data["columns"])}


FORMS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {
    "Azure's, with an index": ("input_data", lambda data: data),
    "Azure's, with columns in another order": (
        "input_data",
        lambda data: {"columns": data["columns"][::-1], "data": [row[::-1] for row in data["data"]]},
    ),
    "dataframe_split": ("dataframe_split", split),
    "dataframe_records": ("dataframe_records", records),
    "inputs": ("inputs", columns),
    "instances": ("instances", records),
}

NOT_UNDERSTOOD = {
    "no JSON": ('{"input_data": [', "the body is not JSON"),
    "no known key": ('{"rows": []}', "'rows'"),
    "a column that is missing": ('{"input_data": {"columns": ["age"], "data": [[1]]}}', "bmi"),
    "a value of another type": ('{"dataframe_records": [{"age": "old"}]}', ""),
    "rows of uneven length": ('{"input_data": {"columns": ["age", "bmi"], "data": [[1]]}}', ""),
}
