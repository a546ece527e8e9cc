"""Models: Azure's model schema and the versions that the registry holds."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from penstock.domain.asset import version_as_text
from penstock.domain.resource import Frozen


class ModelType(StrEnum):
    CUSTOM = "custom_model"
    MLFLOW = "mlflow_model"
    TRITON = "triton_model"


class DataUse(Frozen):
    """A dataset that a run has read, as MLflow records it."""

    name: str
    digest: str | None = None


class Lineage(Frozen):
    """Where a version comes from, as far as it is known."""

    job: str | None = None  # the MLflow run that made it
    git_commit: str | None = None
    data: tuple[DataUse, ...] = ()
    parent: str | None = None  # NAME:VERSION of the version that it is a copy of


class Model(Frozen):
    """A model as a user writes it, inline in a deployment or in a file of its own.

    `path` is a local path as users write it, an artifact reference once the client has uploaded it, or a place that
    the registry knows: `runs:/RUN/PATH`, `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `models:/m-ID`,
    `azureml://jobs/RUN/outputs/artifacts/paths/PATH`.
    """

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    version: str | None = None
    path: str
    type: ModelType | None = None  # None: found out from the content (an MLmodel file makes it mlflow_model)
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    flavors: dict[str, Any] = {}
    stage: str | None = None
    lineage: Lineage | None = None  # of an imported version

    @model_validator(mode="before")
    @classmethod
    def _versions_are_text(cls, data: Any) -> Any:
        return version_as_text(data)


class ModelVersion(Frozen):
    """A registered version of a model. Its content never changes; what is said of it may."""

    name: str
    version: str
    path: str  # artifact reference once its files are in the artifact store, before that the same as `uri`
    uri: str = ""  # in MLflow's words: models:/NAME/NUMBER
    source: str = ""  # what MLflow made it from: models:/m-ID, or a place in its artifact store
    type: ModelType
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    flavors: dict[str, Any] = {}  # of the MLmodel file
    stage: str | None = None
    aliases: tuple[str, ...] = ()  # `azureml:NAME@ALIAS`, `models:/NAME@ALIAS`
    lineage: Lineage = Lineage()
    created_at: datetime
    created_by: str
    archived: bool = False


class ModelChange(Frozen):
    """What is to be said of a version from now on; fields left out stay as they are."""

    description: str | None = None
    tags: Mapping[str, str] | None = None  # all of them
    properties: Mapping[str, str] | None = None  # all of them
    stage: str | None = None
    aliases: tuple[str, ...] | None = None  # all of them; an alias that another version has moves here


class Serving(Frozen):
    """A deployment that uses a version of a registered model; traffic in percent."""

    endpoint: str
    deployment: str
    version: str
    traffic: int
    mirror_traffic: int
    state: str
    ready_instances: int
