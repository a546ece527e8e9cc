"""Invocations of batch endpoints: what a caller asks for, and what the deployment is then for that one job."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import Field, field_validator

from penstock.domain.batch_deployment import BatchDeployment, BatchSettings
from penstock.domain.endpoint import texts
from penstock.domain.errors import invalid
from penstock.domain.fields import nearest, parse
from penstock.domain.job import DEFAULT_INPUT, JobInput
from penstock.domain.resource import Frozen

LAST = "last"  # as `since`: the newest completed job of the deployment
_SETTINGS = frozenset(BatchSettings.model_fields)
_SECTIONS = frozenset({"settings", "output", "compute"})


class Invocation(Frozen):
    """What is to be scored, where the output goes, and what is other than deployed for this job alone.

    `job_name` makes a repeated call find the job that the first one began. `overrides` are values by path, such as
    `output_file_name`, `settings.error_threshold` or `output.format`. `since` is the name of an earlier job, or `last`.
    """

    job_name: str | None = None
    deployment_name: str | None = None
    display_name: str | None = None
    experiment_name: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    inputs: dict[str, JobInput] = Field(min_length=1, max_length=100)
    output_path: str | None = Field(default=None, min_length=1, max_length=4000)
    mini_batch_size: int | None = None
    instance_count: int | None = None
    output_file_name: str | None = None
    overrides: dict[str, Any] = Field(default={}, max_length=100)
    dry_run: bool = False
    since: str | None = None

    @field_validator("inputs", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        """A single input needs no name."""
        if isinstance(value, str):
            return {DEFAULT_INPUT: {"path": value}}
        if not isinstance(value, Mapping):
            return value
        fields = cast(Mapping[str, Any], value)
        return {DEFAULT_INPUT: fields} if isinstance(fields.get("path"), str) else fields

    @field_validator("tags", "properties", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    def digest(self, endpoint: str) -> str:
        """Of all that was asked for: the same for a call that is repeated."""
        content = self.model_dump(mode="json", exclude={"job_name"})
        text = json.dumps([endpoint, content], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def overridden(deployment: BatchDeployment, invocation: Invocation) -> BatchDeployment:
    """What the job runs with. Raises `invalid` for paths that no invocation can change, and for bad values."""
    own = {name: getattr(invocation, name) for name in ("mini_batch_size", "instance_count", "output_file_name")}
    changes = {**{name: value for name, value in own.items() if value is not None}, **invocation.overrides}
    fields = deployment.model_dump(mode="json")
    for path, value in changes.items():
        _put(fields, _path(path), value)
    return parse(BatchDeployment, fields, "the job's overrides") if changes else deployment


def _path(text: str) -> list[str]:
    """Where a value belongs: Azure's own overrides name settings without saying so."""
    path = text.removeprefix("resources.").split(".")
    if path[0] in _SETTINGS:
        return ["settings", *path]
    if path[0] in _SECTIONS:
        return path
    near = nearest(path[0], _SETTINGS | _SECTIONS)
    hint = f"did you mean {near!r}?" if near else f"known are {', '.join(sorted(_SETTINGS | _SECTIONS))}"
    raise invalid(f"an invocation cannot change {text[:200]!r} ({hint}); models and scripts are the deployment's")


def _put(fields: dict[str, Any], path: list[str], value: Any) -> None:
    *sections, last = path
    for section in sections:
        inner = fields.get(section)
        if inner is not None and not isinstance(inner, dict):
            raise invalid(f"the job's overrides: {'.'.join(path)!r} leads through {section!r}, which has no fields")
        fields[section] = fields = dict(cast(dict[str, Any], inner or {}))
    fields[last] = value
