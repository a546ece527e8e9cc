"""Computes: how much of the machine the jobs of batch deployments may take, all together."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from penstock.domain.endpoint import texts
from penstock.domain.resource import Frozen, Kind, Status

LOCAL = "local"  # the compute of deployments that name none: the machine's cores


class Compute(Frozen):
    """Azure's `amlcompute` YAML. `max_instances` bounds the instances of all jobs on it together.

    Jobs on a `low_priority` compute give way to jobs on a dedicated one: between two mini-batches.
    """

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    type: Literal["amlcompute"] = "amlcompute"
    description: str | None = None
    tags: dict[str, str] = {}
    min_instances: int = Field(default=0, ge=0, le=1000)
    max_instances: int = Field(default=1, ge=0, le=1000)
    idle_time_before_scale_down: int = Field(default=120, ge=0, le=86_400)  # seconds
    tier: Literal["dedicated", "low_priority"] = "dedicated"

    # Accepted for Azure's sake, without effect here; see `ignored_fields`.
    size: str | None = None
    location: str | None = None
    identity: dict[str, Any] | None = None
    network_settings: dict[str, Any] | None = None
    ssh_settings: dict[str, Any] | None = None
    ssh_public_access_enabled: bool | None = None
    enable_node_public_ip: bool | None = None

    @field_validator("tags", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("type", "tier", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        """The client library of Azure also writes AmlCompute and LowPriority."""
        if not isinstance(value, str):
            return value
        return {"lowpriority": "low_priority"}.get(value.lower(), value.lower())

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances is {self.min_instances}, more than max_instances ({self.max_instances})")
        return self


def compute_name(text: str | None) -> str:
    """The compute that a deployment's `compute` field means: `azureml:NAME` or NAME, LOCAL without one."""
    name = (text or LOCAL).removeprefix("azureml:")
    return LOCAL if name.lower() == LOCAL else name


class ComputeStatus(Status):
    pass


COMPUTE: Kind[Compute, ComputeStatus] = Kind("compute", Compute, ComputeStatus)

IGNORED = (
    "size",
    "location",
    "identity",
    "network_settings",
    "ssh_settings",
    "ssh_public_access_enabled",
    "enable_node_public_ip",
)


def ignored_fields(compute: Compute) -> tuple[str, ...]:
    """Fields that were given and have no effect on one's own machines."""
    keeps = ("min_instances",) if compute.min_instances else ()
    return (*(name for name in IGNORED if getattr(compute, name) is not None), *keeps)
