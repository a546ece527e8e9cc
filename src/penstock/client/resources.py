"""Resources as the platform shows them, and its answers to changes."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from penstock.domain.asset import AssetStatus
from penstock.domain.autoscale import Autoscale, AutoscaleStatus
from penstock.domain.batch_deployment import BatchDeployment, BatchDeploymentStatus
from penstock.domain.batch_endpoint import BatchEndpoint, BatchEndpointStatus
from penstock.domain.compute import Compute, ComputeStatus
from penstock.domain.contract import Contract, ContractStatus
from penstock.domain.data import Data
from penstock.domain.datastore import Datastore, DatastoreStatus
from penstock.domain.deployment import OnlineDeployment, OnlineDeploymentStatus
from penstock.domain.endpoint import OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.environment import Environment
from penstock.domain.errors import Code, PenstockError
from penstock.domain.job import Job, JobStatus
from penstock.domain.resource import Frozen, Status
from penstock.domain.rollout import Rollout, RolloutStatus
from penstock.domain.webhook import Webhook, WebhookStatus

SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)
AnswerT = TypeVar("AnswerT", bound=BaseModel)


class Answer(BaseModel):
    """Base of what the platform answers: closed to change, open to fields that a newer platform adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RemoteResource(Answer, Generic[SpecT, StatusT]):
    """A resource with Azure's provisioning state: Creating, Updating, Deleting, Succeeded or Failed."""

    kind: str
    name: str  # `fraud`; of deployments `fraud/blue`
    uid: str
    generation: int
    version: int
    spec: SpecT
    status: StatusT
    created_at: datetime
    updated_at: datetime
    deleting_since: datetime | None = None
    provisioning_state: str
    scoring_uri: str | None = None  # endpoints have one
    openapi_uri: str | None = None


class Change(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


class PrunedEnvironment(Answer):
    """A built environment that nobody used. `bytes` is what its removal frees."""

    fingerprint: str
    bytes: int
    last_used_at: datetime


class FieldChange(Answer):
    """One field that a change alters; `old` or `new` is None where there is no value."""

    path: str
    old: Any = None
    new: Any = None


class Preview(Answer):
    """What a create or update would do."""

    change: Change
    notices: tuple[str, ...] = ()
    differences: tuple[FieldChange, ...] = ()


class Applied(Preview, Generic[SpecT, StatusT]):
    """What a create, update or rollback did. `notices` are sentences that its user should see."""

    resource: RemoteResource[SpecT, StatusT]
    message: str = ""


Endpoint = RemoteResource[OnlineEndpoint, OnlineEndpointStatus]
Deployment = RemoteResource[OnlineDeployment, OnlineDeploymentStatus]
RegisteredEnvironment = RemoteResource[Environment, AssetStatus]
RemoteContract = RemoteResource[Contract, ContractStatus]
RemoteRollout = RemoteResource[Rollout, RolloutStatus]
RemoteWebhook = RemoteResource[Webhook, WebhookStatus]
RemoteAutoscale = RemoteResource[Autoscale, AutoscaleStatus]
RemoteBatchEndpoint = RemoteResource[BatchEndpoint, BatchEndpointStatus]
RemoteBatchDeployment = RemoteResource[BatchDeployment, BatchDeploymentStatus]
RemoteJob = RemoteResource[Job, JobStatus]
RemoteCompute = RemoteResource[Compute, ComputeStatus]
RegisteredData = RemoteResource[Data, AssetStatus]
RemoteDatastore = RemoteResource[Datastore, DatastoreStatus]
AppliedEndpoint = Applied[OnlineEndpoint, OnlineEndpointStatus]
AppliedDeployment = Applied[OnlineDeployment, OnlineDeploymentStatus]
AppliedEnvironment = Applied[Environment, AssetStatus]
AppliedContract = Applied[Contract, ContractStatus]
AppliedRollout = Applied[Rollout, RolloutStatus]
AppliedWebhook = Applied[Webhook, WebhookStatus]
AppliedAutoscale = Applied[Autoscale, AutoscaleStatus]
AppliedBatchEndpoint = Applied[BatchEndpoint, BatchEndpointStatus]
AppliedBatchDeployment = Applied[BatchDeployment, BatchDeploymentStatus]
AppliedJob = Applied[Job, JobStatus]
AppliedCompute = Applied[Compute, ComputeStatus]
AppliedData = Applied[Data, AssetStatus]
AppliedDatastore = Applied[Datastore, DatastoreStatus]
AnyRemote = RemoteResource[Any, Any]
AnyApplied = Applied[Any, Any]


def understood(model: type[AnswerT], data: object) -> AnswerT:
    """`data` as a `model`; raises `internal` for an answer that this client does not understand."""
    return _guarded(lambda: model.model_validate(data))


def understood_items(model: type[AnswerT], data: Any) -> list[AnswerT]:
    """The `items` of `data`, each as a `model`."""
    return _guarded(lambda: [model.model_validate(item) for item in data["items"]])


ValueT = TypeVar("ValueT")


def _guarded(decode: Callable[[], ValueT]) -> ValueT:
    try:
        return decode()
    except (ValidationError, KeyError, TypeError) as err:
        message = "the platform's answer is not understood: use the same version of client and platform"
        raise PenstockError(Code.INTERNAL, message, {"answer": str(err)}) from err
