"""Online deployments: a model with its code and environment, and how many processes serve it."""

from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from penstock.domain import compat
from penstock.domain.collector import DataCollector
from penstock.domain.durations import Span
from penstock.domain.endpoint import texts
from penstock.domain.environment import Environment
from penstock.domain.model import Model
from penstock.domain.resource import Frozen, Kind, Status


class DeploymentType(StrEnum):
    MANAGED = "managed"
    KUBERNETES = "kubernetes"


class CodeConfiguration(Frozen):
    """`code` is a folder as users write it, and an artifact reference once the client has uploaded it."""

    code: str | None = None
    scoring_script: str


class RequestSettings(Frozen):
    """Azure's request settings. Unset concurrency means: one request at a time per process, others wait."""

    request_timeout_ms: int = Field(default=5000, ge=1, le=300_000)
    max_concurrent_requests_per_instance: int | None = Field(default=None, ge=1, le=10_000)
    max_queue_wait_ms: int | None = Field(default=None, ge=0, le=300_000)  # Azure: deprecated


class Probe(Frozen):
    """Azure's probe settings, in seconds and counts, with Azure's defaults."""

    initial_delay: int = Field(default=10, ge=0)
    period: int = Field(default=10, ge=1)
    timeout: int = Field(default=2, ge=1)
    success_threshold: int = Field(default=1, ge=1)
    failure_threshold: int = Field(default=30, ge=1)


class ResourceAmounts(Frozen):
    """Kubernetes quantities: `cpu: "0.5"`, `memory: 512Mi`."""

    cpu: str | None = None
    memory: str | None = None
    gpu: str | None = Field(default=None, alias="nvidia.com/gpu")

    @field_validator("cpu", "memory", "gpu", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, (int, float)) else value


class Resources(Frozen):
    requests: ResourceAmounts = ResourceAmounts()
    limits: ResourceAmounts = ResourceAmounts()


class ScaleSettings(Frozen):
    """Azure's. `target_utilization` scales by how busy the instances are, with Azure's defaults; `default` does not."""

    type: Literal["default", "target_utilization"] = "default"
    min_instances: int = Field(default=1, ge=0, le=1000)
    max_instances: int = Field(default=1, ge=1, le=1000)
    target_utilization_percentage: int = Field(default=70, ge=1, le=100)
    polling_interval: Span = Field(default=timedelta(seconds=1), ge=timedelta(seconds=1), le=timedelta(hours=1))

    @field_validator("type", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        """The client library of Azure also writes TargetUtilization."""
        return {"targetutilization": "target_utilization"}.get(str(value).lower(), str(value).lower())

    @model_validator(mode="after")
    def _in_order(self) -> "ScaleSettings":
        if self.min_instances > self.max_instances:
            raise ValueError(f"min_instances is {self.min_instances}, more than max_instances ({self.max_instances})")
        return self


class OnlineDeployment(Frozen):
    """Azure's managed and Kubernetes online deployment YAML."""

    schema_: str | None = Field(default=None, alias="$schema", exclude=True)
    name: str | None = None
    endpoint_name: str | None = None
    description: str | None = None
    type: DeploymentType = DeploymentType.MANAGED
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    model: str | Model | None = None
    model_mount_path: str | None = None
    code_configuration: CodeConfiguration | None = None
    environment: str | Environment | None = None
    environment_variables: dict[str, str] = {}
    instance_count: int = Field(default=1, ge=1, le=50)
    request_settings: RequestSettings = RequestSettings()
    liveness_probe: Probe = Probe()
    readiness_probe: Probe = Probe()
    resources: Resources = Resources()  # Kubernetes; memory limits are kept here too
    data_collector: DataCollector | None = None
    scale_settings: ScaleSettings | None = None

    # Accepted for Azure's sake, without effect here; see `ignored_fields`.
    instance_type: str | None = None
    app_insights_enabled: bool | None = None
    egress_public_network_access: str | None = None
    private_network_connection: bool | None = None

    @field_validator("tags", "properties", "environment_variables", mode="before")
    @classmethod
    def _text_values(cls, value: Any) -> Any:
        return texts(value)

    @field_validator("properties")
    @classmethod
    def _known_compat(cls, value: dict[str, str]) -> dict[str, str]:
        return compat.checked(value)

    @field_validator("type", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> "OnlineDeployment":
        if self.model is None and self.code_configuration is None and self.environment is None:
            raise ValueError("give a model, or a code_configuration with a scoring script, or both")
        return self


class OnlineDeploymentStatus(Status):
    """What the controller has found. `revision` is what serves; a change that cannot start leaves it as it was."""

    revision: str | None = None
    serving_generation: int = 0  # the generation whose spec the serving revision has
    ready_instances: int = 0
    scaled_instances: int | None = None  # what the autoscaler wants in place of instance_count; None: there is none
    limit: str = ""  # why fewer than that are run
    instance_memory_bytes: int | None = None  # the most that an instance has taken by the time it was ready
    cold_start_seconds: float | None = None  # from the last request that woke it to its first instance
    environment: str | None = None  # fingerprint of what was built
    failure: str | None = None  # the user's own traceback, or the end of the build's output, while Ready is false
    failed_revision: str | None = (
        None  # the revision that could not start; it is not tried again until the spec changes
    )


def instances_meant(spec: OnlineDeployment, status: OnlineDeploymentStatus) -> int:
    """How many instances it is to have: the autoscaler's number where there is one, else the author's."""
    return spec.instance_count if status.scaled_instances is None else status.scaled_instances


ONLINE_DEPLOYMENT: Kind[OnlineDeployment, OnlineDeploymentStatus] = Kind(
    "online-deployment", OnlineDeployment, OnlineDeploymentStatus
)

IGNORED = (
    "instance_type",
    "app_insights_enabled",
    "egress_public_network_access",
    "private_network_connection",
)


def ignored_fields(deployment: OnlineDeployment) -> tuple[str, ...]:
    """Fields that were given and have no effect (yet) on one's own machines."""
    collections = deployment.data_collector.collections if deployment.data_collector else {}
    elsewhere = [f"data_collector.collections.{name}.data" for name, each in collections.items() if each.data]
    return (*(name for name in IGNORED if getattr(deployment, name) is not None), *elsewhere)
