"""Batch deployments: a model or script with its environment, and how its jobs cut, retry and write."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Self, cast

from pydantic import Field, field_validator, model_validator

from penstock.domain.deployment import CodeConfiguration
from penstock.domain.endpoint import texts
from penstock.domain.environment import Environment
from penstock.domain.model import Model
from penstock.domain.resource import Frozen, Kind, Status

_MOST_WORKERS = 1000
_ALL_COLUMNS = "all"


class OutputAction(StrEnum):
    """`append_row`: what run() returns becomes rows of one file. `summary_only`: the script writes files itself."""

    APPEND_ROW = "append_row"
    SUMMARY_ONLY = "summary_only"


class RetrySettings(Frozen):
    """Azure's: how often a mini-batch is tried again, and after how many seconds without an answer it has failed."""

    max_retries: int = Field(default=3, ge=0, le=100)
    timeout: int = Field(default=30, ge=1, le=259_200)


class Output(Frozen):
    """How predictions are written (not in Azure's schema; without it they are written in Azure's form).

    `keep_columns` are columns of the input that stand beside the prediction, `all` for all of them. `mode`: one file
    in the order of the input, one for each file of the input, or a folder of parts.
    """

    format: Literal["parquet", "csv", "jsonl"] = "parquet"
    keep_columns: tuple[str, ...] | Literal["all"] = ()
    mode: Literal["one_file", "per_input", "partitioned"] = "one_file"

    @field_validator("keep_columns", mode="before")
    @classmethod
    def _star_is_all(cls, value: Any) -> Any:
        return _ALL_COLUMNS if value in ("*", ["*"], [_ALL_COLUMNS]) else value


class BatchSettings(Frozen):
    """Azure's settings of a batch deployment, with Azure's defaults.

    `mini_batch_size` counts files, as scripts get them; models are given ranges of rows instead. `error_threshold` is
    how many files may fail before the job does, -1 for any number.
    """

    mini_batch_size: int = Field(default=10, ge=1, le=1_000_000)
    instance_count: int = Field(default=1, ge=1, le=_MOST_WORKERS)
    max_concurrency_per_instance: int = Field(default=1, ge=1, le=_MOST_WORKERS)
    error_threshold: int = Field(default=-1, ge=-1)
    logging_level: Literal["info", "warning", "debug"] = "info"
    output_action: OutputAction = OutputAction.APPEND_ROW
    output_file_name: str = "predictions.csv"
    retry_settings: RetrySettings = RetrySettings()
    environment_variables: dict[str, str] = {}

    @field_validator("environment_variables", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("logging_level", "output_action", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        """The client library of Azure also writes AppendRow and Info."""
        if not isinstance(value, str):
            return value
        return {"appendrow": "append_row", "summaryonly": "summary_only"}.get(value.lower(), value.lower())

    @field_validator("output_file_name")
    @classmethod
    def _one_name(cls, name: str) -> str:
        if not name or name.startswith(".") or any(c in name for c in "/\\\0") or len(name.encode()) > 200:
            raise ValueError("give the name of a file, without a folder, of at most 200 bytes")
        return name

    @property
    def workers(self) -> int:
        """How many processes a job of the deployment would like to have."""
        return min(_MOST_WORKERS, self.instance_count * self.max_concurrency_per_instance)


_AT_THE_ROOT = tuple(BatchSettings.model_fields)  # of the older layout, which has no `settings`


class BatchDeployment(Frozen):
    """Azure's batch deployment YAML, in either layout: `type: model` with `settings`, or all of it at the root."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    endpoint_name: str | None = None
    description: str | None = None
    type: Literal["model"] = "model"
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    model: str | Model | None = None
    code_configuration: CodeConfiguration | None = None
    environment: str | Environment | None = None
    compute: str | None = None  # azureml:NAME; None: the machine
    settings: BatchSettings = BatchSettings()
    output: Output | None = None

    # Accepted for Azure's sake, without effect here; see `ignored_fields`.
    egress_public_network_access: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_layout(cls, data: Any) -> Any:
        """The older layout, and `resources.instance_count` of both, as `settings`."""
        return _with_settings(cast(Mapping[str, Any], data)) if isinstance(data, Mapping) else data

    @field_validator("tags", "properties", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("type", mode="before")
    @classmethod
    def _only_models(cls, value: Any) -> Any:
        kind = str(value or "model").lower()
        if kind == "pipeline":
            raise ValueError("deployments of type pipeline need pipeline jobs, which this version does not have yet")
        return kind

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.model is None and self.code_configuration is None:
            raise ValueError("give a model, or a code_configuration with a scoring script, or both")
        if self.code_configuration is not None and self.output is not None and self.output.mode == "per_input":
            raise ValueError("output.mode per_input: a script answers for several files at once; use one_file")
        return self


class BatchDeploymentStatus(Status):
    """What the controller has found. `environment` is the fingerprint of what jobs run with."""

    environment: str | None = None
    failure: str | None = None  # the end of the build's output, while Ready is false


BATCH_DEPLOYMENT: Kind[BatchDeployment, BatchDeploymentStatus] = Kind(
    "batch-deployment", BatchDeployment, BatchDeploymentStatus
)

IGNORED = ("egress_public_network_access",)


def ignored_fields(deployment: BatchDeployment) -> tuple[str, ...]:
    """Fields that were given and have no effect on one's own machines."""
    return tuple(name for name in IGNORED if getattr(deployment, name) is not None)


def _with_settings(data: Mapping[str, Any]) -> Mapping[str, Any]:
    moved = {name: data[name] for name in _AT_THE_ROOT if name in data}
    resources = data.get("resources")
    if isinstance(resources, Mapping):
        count = cast(Mapping[str, Any], resources).get("instance_count")
        moved |= {"instance_count": count} if count is not None else {}
    given = data.get("settings")
    settings: Mapping[str, Any] = cast(Mapping[str, Any], given) if isinstance(given, Mapping) else {}
    if not moved and given is not None:
        return data
    left = {name: value for name, value in data.items() if name not in (*_AT_THE_ROOT, "resources", "settings")}
    return {**left, "settings": {**moved, **settings}}
