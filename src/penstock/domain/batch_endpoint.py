"""Batch endpoints: a stable name and URL under which data is scored in jobs."""

from typing import Any

from pydantic import Field, field_validator

from penstock.domain.endpoint import texts
from penstock.domain.resource import Frozen, Kind, Status


class BatchDefaults(Frozen):
    """`deployment_name` is the deployment that runs jobs which name none."""

    deployment_name: str | None = None


class BatchEndpoint(Frozen):
    """Azure's batch endpoint YAML. `auth_mode` is `aad_token` there; here callers show the admin token."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    auth_mode: str = "aad_token"
    defaults: BatchDefaults = BatchDefaults()

    # Accepted for Azure's sake, without effect here; see `ignored_fields`.
    kind: str | None = None
    type: str | None = None
    location: str | None = None
    identity: dict[str, Any] | None = None
    public_network_access: str | None = None

    @field_validator("auth_mode")
    @classmethod
    def _only_tokens(cls, mode: str) -> str:
        if mode.lower().replace("_", "") != "aadtoken":
            raise ValueError(f"auth_mode {mode!r} is not supported by batch endpoints: use aad_token")
        return "aad_token"

    @field_validator("tags", "properties", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("defaults", mode="before")
    @classmethod
    def _absent_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value


class BatchEndpointStatus(Status):
    pass


BATCH_ENDPOINT: Kind[BatchEndpoint, BatchEndpointStatus] = Kind("batch-endpoint", BatchEndpoint, BatchEndpointStatus)

IGNORED = ("kind", "type", "location", "identity", "public_network_access")


def ignored_fields(endpoint: BatchEndpoint) -> tuple[str, ...]:
    """Fields that were given and have no effect on one's own machines."""
    return tuple(name for name in IGNORED if getattr(endpoint, name) is not None)
