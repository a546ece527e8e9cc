"""Validations: a model with its code and environment tried once, without an endpoint."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.resource import Condition, Frozen, Truth

LONGEST_SAMPLE = 10 * 1024 * 1024  # characters


class ValidationState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ValidationRequest(Frozen):
    """What is to be tried: what a deployment would say. Its names, traffic and instance count do not matter.

    `id` is the caller's own, so that asking twice begins one validation. `sample_request` is the text of a request.
    """

    id: str = Field(pattern=r"^[0-9a-f]{8,32}$")
    deployment: OnlineDeployment
    sample_request: str | None = Field(default=None, max_length=LONGEST_SAMPLE)


class Validation(Frozen):
    """How far a validation has come. `failure` is the user's own traceback, or the end of the build's output."""

    id: str
    state: ValidationState
    conditions: tuple[Condition, ...] = ()
    failure: str | None = None
    created_at: datetime
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.state in (ValidationState.SUCCEEDED, ValidationState.FAILED)

    def faults(self) -> tuple[Condition, ...]:
        """The conditions that are false."""
        return tuple(condition for condition in self.conditions if condition.truth is Truth.FALSE)
