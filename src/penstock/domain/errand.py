"""Errands: work that a user has had begun and asks about until it has ended, such as a validation."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from penstock.domain.resource import Condition, Frozen, Truth


class ErrandState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class ErrandRequest(Frozen):
    """What is to be done. `id` is the caller's own, so that asking twice begins one errand."""

    id: str = Field(pattern=r"^[0-9a-f]{8,32}$")


class Errand(Frozen):
    """How far an errand has come. `failure` is what is to be read of it: a traceback, the end of a build's output."""

    id: str
    state: ErrandState
    conditions: tuple[Condition, ...] = ()
    failure: str | None = None
    created_at: datetime
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.state in (ErrandState.SUCCEEDED, ErrandState.FAILED)

    def faults(self) -> tuple[Condition, ...]:
        """The conditions that are false."""
        return tuple(condition for condition in self.conditions if condition.truth is Truth.FALSE)
