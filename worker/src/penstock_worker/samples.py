"""The request that is tried before any caller's: a file of the author's, or the input example of an MLflow model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock_worker import contract
from penstock_worker.failure import LoadError
from penstock_worker.kinds import is_object
from penstock_worker.payload import KEYS, RECORDS_KEY, SPLIT_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from penstock_worker.variables import Variables

_SERVING_EXAMPLE = "serving_input_example.json"  # MLflow's name for the body of a request
_EXAMPLE = "input example"


@dataclass(frozen=True)
class Sample:
    """A request's body. `name` is what messages call it.

    `from_model`: MLflow has kept it beside the model. Then that it does not fit the signature is a slip of the author;
    in a sample request that was written to be one it is a failure.
    """

    name: str
    body: bytes
    from_model: bool = False


class UnusableSampleError(Exception):
    """There is a sample, and it cannot be made a request. The message says which and why."""


def find_sample(variables: Variables, example: Mapping[str, Any] | None) -> Sample | None:
    """The sample request: the file that is named, else one with the usual name, else the model's input example.

    `example` is what MLmodel says of that (`saved_input_example_info`). Raises `LoadError` if the named file cannot be
    read, `UnusableSampleError` for an example that cannot be used.
    """
    if variables.sample_request is not None:
        return _named(variables)
    for folder in _folders(variables):
        for name in contract.SAMPLE_FILES:
            if (folder / name).is_file():
                what = f"sample request {name}"
                return Sample(what, _read(folder / name, variables.max_body_bytes, what))
    if variables.mlflow_model is None or example is None:
        return None
    return Sample(_EXAMPLE, example_body(variables.mlflow_model, example, variables.max_body_bytes), from_model=True)


def sample_body(variables: Variables, example: Mapping[str, Any] | None) -> bytes | None:
    """The body of the sample request; None if there is none that can be used."""
    try:
        sample = find_sample(variables, example)
    except (UnusableSampleError, LoadError):
        return None
    return None if sample is None else sample.body


def _named(variables: Variables) -> Sample:
    path = variables.app_root / str(variables.sample_request)
    what = f"sample request {variables.sample_request!r}"
    try:
        return Sample(f"sample request {path.name}", _read(path, variables.max_body_bytes, what))
    except UnusableSampleError as error:
        raise LoadError(contract.SAMPLE_FAILED, str(error)) from error


def _folders(variables: Variables) -> Iterable[Path]:
    """Where sample requests lie: beside the scoring script, and on top of the model's folder."""
    if variables.mlflow_model is not None:
        return [variables.mlflow_model]
    script = variables.app_root / (variables.entry or "")
    folders = [script if script.is_dir() else script.parent]
    if variables.model_dir is not None and variables.model_dir.is_dir():
        folders += sorted(path for path in variables.model_dir.iterdir() if path.is_dir())
    return folders


def _read(path: Path, limit_bytes: int, what: str) -> bytes:
    try:
        with open(path, "rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise UnusableSampleError(f"{what} cannot be read: {error.strerror}: {path}") from error
    if len(content) > limit_bytes:
        raise UnusableSampleError(f"{what} has more than {limit_bytes:,} bytes, the most that a request may have")
    return content


def example_body(model: Path, info: Mapping[str, Any], limit_bytes: int) -> bytes:
    """The body of a request with the model's input example; `info` is what MLmodel says of it.

    Raises `UnusableSampleError`.
    """
    serving = model / str(info.get("serving_input_path") or _SERVING_EXAMPLE)
    try:
        if serving.is_file():
            return _wrapped(_read(serving, limit_bytes, _EXAMPLE))
        body = _request(json.loads(_read(model / str(info.get("artifact_path")), limit_bytes, _EXAMPLE)), info)
    except (ValueError, RecursionError) as error:
        raise UnusableSampleError(f"{_EXAMPLE} is not JSON: {error}") from error
    return json.dumps(body).encode("ascii")


def _wrapped(content: bytes) -> bytes:
    """MLflow keeps the examples of chat models without a key."""
    body = json.loads(content)
    return content if is_object(body) and any(key in body for key in KEYS) else json.dumps({"inputs": body}).encode()


def _request(example: Any, info: Mapping[str, Any]) -> dict[str, Any]:
    """What models of MLflow before 2.13 have: the example alone, in a form that `info` describes."""
    kind = str(info.get("type"))
    if kind.startswith("sparse"):
        raise UnusableSampleError(f"{_EXAMPLE} is a sparse matrix, which no request can hold")
    if info.get("format") == "tf-serving" and is_object(example):
        return example
    params: dict[str, Any] = {}
    if info.get("params") and is_object(example):
        params = {"params": example.get("params")}
        example = example.get("inputs")
    if kind != "dataframe":
        return {"inputs": example, **params}
    return {RECORDS_KEY if info.get("pandas_orient") == "records" else SPLIT_KEY: example, **params}
