"""Invocations as Azure's clients send them: `{"properties": {"InputData": ..., "OutputData": ...}}`. Pure."""

import re
from collections.abc import Mapping
from typing import Any, cast

from penstock.domain.errors import invalid
from penstock.domain.fields import nearest, parse
from penstock.domain.invocation import Invocation
from penstock.domain.job import DEFAULT_INPUT

_TYPES = {"urifolder": "uri_folder", "urifile": "uri_file", "mltable": "mltable"}
_DATA_ID = re.compile(r"(?:azureml:/?)?/subscriptions/.+/data/([^/]+)/versions/([^/]+)")
_TOLD = {
    "name": "job_name",
    "displayname": "display_name",
    "experimentname": "experiment_name",
    "description": "description",
    "tags": "tags",
    "properties": "properties",
}
_SETTINGS = {
    "minibatchsize": "mini_batch_size",
    "errorthreshold": "error_threshold",
    "maxconcurrencyperinstance": "max_concurrency_per_instance",
    "logginglevel": "logging_level",
    "outputfilename": "output_file_name",
    "environmentvariables": "environment_variables",
}
_SPELLED = (
    *("InputData", "OutputData", "Dataset", "Name", "DisplayName", "ExperimentName", "Description", "Tags"),
    *("Properties", "MiniBatchSize", "ErrorThreshold", "MaxConcurrencyPerInstance", "LoggingLevel", "OutputFileName"),
    *("EnvironmentVariables", "RetrySettings", "Resources", "Compute"),
)
# What Azure's clients send along and no job here has a use for.
_PASSED_OVER = frozenset({"jobtype", "status", "provisioningstate", "interactionendpoints", "partitionkeys"})
_SECONDS = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?\Z")

Fields = Mapping[str, Any]


def azure_invocation(body: Fields, deployment_name: str | None) -> Invocation:
    """What a body in Azure's form asks for; its names may be written InputData or inputData.

    Raises `invalid` naming the field that is missing, unknown, or for pipelines.
    """
    properties = _folded(_mapping(_folded(body, "the body").get("properties"), "properties"), "properties")
    found: dict[str, Any] = {"deployment_name": deployment_name, "inputs": _inputs(properties)}
    overrides: dict[str, Any] = {}
    for name, value in properties.items():
        if name in _TOLD:
            found[_TOLD[name]] = value
        elif name in _SETTINGS:
            overrides[_SETTINGS[name]] = value
        elif name == "retrysettings":
            overrides |= _retries(_folded(_mapping(value, "RetrySettings"), "RetrySettings"))
        elif name in ("resources", "compute"):
            overrides |= _instances(_folded(_mapping(value, name), name))
        elif name == "outputdata":
            found |= _output(_mapping(value, "OutputData"))
        elif name not in ("inputdata", "dataset") and name not in _PASSED_OVER:
            raise _unknown(name)
    return parse(Invocation, {**found, "overrides": overrides}, "properties")


def _inputs(properties: Fields) -> dict[str, Any]:
    if "dataset" in properties:
        return {DEFAULT_INPUT: _dataset(_folded(_mapping(properties["dataset"], "Dataset"), "Dataset"))}
    inputs = _mapping(properties.get("inputdata"), "InputData")
    return {name: _input(name, value) for name, value in inputs.items()}


def _input(name: str, value: Any) -> dict[str, Any]:
    what = f"InputData.{name}"
    fields = _folded(_mapping(value, what), what)
    kind = str(fields.get("jobinputtype", "UriFolder"))
    folded = _fold(kind)
    if folded == "literal":
        raise invalid(f"{what}: literals are inputs of pipelines; give a UriFolder or UriFile")
    if folded not in _TYPES:
        raise invalid(f"{what}: JobInputType {kind[:100]!r} is not known: give UriFolder or UriFile")
    uri = fields.get("uri")
    if not isinstance(uri, str):
        raise invalid(f"{what}: give its Uri")
    return {"type": _TYPES[folded], "path": _asset_or_uri(uri)}


def _dataset(fields: Fields) -> dict[str, Any]:
    """The form that Azure's first clients sent."""
    path, name, version = fields.get("path"), fields.get("datasetname"), fields.get("datasetversion")
    if isinstance(path, str):
        return {"path": _asset_or_uri(path)}
    if isinstance(name, str) and version is not None:
        return {"path": f"azureml:{name}:{version}"}
    raise invalid("Dataset: give dataInputType DataUrl with its path, or InputData in its place")


def _output(outputs: Fields) -> dict[str, Any]:
    """Where the one output goes: a folder, or a file in one."""
    if len(outputs) > 1:
        raise invalid(f"OutputData: scoring has one output, not {len(outputs)}: {', '.join(sorted(outputs))[:200]}")
    for name, value in outputs.items():
        what = f"OutputData.{name}"
        fields = _folded(_mapping(value, what), what)
        uri = fields.get("uri")
        if not isinstance(uri, str):
            raise invalid(f"{what}: give its Uri")
        if _fold(str(fields.get("joboutputtype", "UriFolder"))) != "urifile":
            return {"output_path": uri}
        folder, _, file = uri.rpartition("/")
        return {"output_path": folder, "output_file_name": file}
    return {}


def _retries(fields: Fields) -> dict[str, Any]:
    found = {f"retry_settings.{at}": fields[name] for name, at in (("maxretries", "max_retries"),) if name in fields}
    if "timeout" in fields:
        found["retry_settings.timeout"] = _seconds(fields["timeout"])
    return found


def _seconds(value: Any) -> Any:
    """Azure writes times as `PT30S`."""
    match = _SECONDS.match(str(value))
    if match is None:
        return value
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds


def _instances(fields: Fields) -> dict[str, Any]:
    count = fields.get("instancecount")
    return {} if count is None else {"instance_count": count}


def _asset_or_uri(uri: str) -> str:
    """The full id of a data asset, as the portal shows it, names the workspace that it is in; here there is one."""
    match = _DATA_ID.fullmatch(uri)
    return f"azureml:{match[1]}:{match[2]}" if match else uri


def _mapping(value: Any, what: str) -> Fields:
    if not isinstance(value, Mapping) or not value:
        raise invalid(f'{what} is missing or no mapping: send {{"properties": {{"InputData": {{NAME: {{...}}}}}}}}')
    return cast(Fields, value)


def _folded(fields: Fields, what: str) -> dict[str, Any]:
    """The fields that are set, by their names in lower case; raises `invalid` for one that is given twice."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if _fold(name) in found:
            raise invalid(f"{what}: {name[:100]!r} is given twice")
        if value is not None:
            found[_fold(name)] = value
    return found


def _fold(name: str) -> str:
    return name.lower().replace("_", "")


def _unknown(name: str) -> Exception:
    known = {_fold(each): each for each in _SPELLED}
    near = nearest(name, known)
    hint = f"did you mean {known[near]!r}?" if near else f"known are {', '.join(sorted(known.values()))}"
    return invalid(f"properties: unknown field {name[:100]!r} ({hint})")
