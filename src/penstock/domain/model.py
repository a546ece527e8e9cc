"""Models: Azure's model schema and the versions that a registry holds."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from penstock.domain.environment import version_as_text
from penstock.domain.resource import Frozen


class ModelType(StrEnum):
    CUSTOM = "custom_model"
    MLFLOW = "mlflow_model"
    TRITON = "triton_model"


class Model(Frozen):
    """A model as a user writes it, inline in a deployment or in a file of its own.

    `path` is a local path as users write it, and an artifact reference once the client has uploaded it.
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

    @model_validator(mode="before")
    @classmethod
    def _versions_are_text(cls, data: Any) -> Any:
        return version_as_text(data)


class ModelVersion(Frozen):
    """A registered version of a model. It never changes, but for `archived`."""

    name: str
    version: str
    path: str  # artifact reference
    type: ModelType
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    created_at: datetime
    created_by: str
    archived: bool = False
