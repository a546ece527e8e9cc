"""What every resource has: a spec that users write, a status that controllers write, and marks for both."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Base of specs and statuses: immutable, and closed to fields it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


class Truth(StrEnum):
    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Condition(Frozen):
    """One aspect of a status: what is so, since when, and why."""

    name: str
    truth: Truth
    reason: str  # CamelCase, stable, for machines: DependencyConflict
    message: str  # a sentence, for people
    since: datetime


class Status(Frozen):
    """What controllers have found. `observed_generation` is the generation that the conditions speak of."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()

    def condition(self, name: str) -> Condition | None:
        return next((c for c in self.conditions if c.name == name), None)


SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)


@dataclass(frozen=True)
class Kind(Generic[SpecT, StatusT]):
    """A kind of resource: its name in URLs and events, and the types of its two halves.

    `revisions`: how many the history keeps of a resource that the platform itself changes all the time; None: all.
    """

    name: str
    spec: type[SpecT]
    status: type[StatusT]
    revisions: int | None = None


AnyKind = Kind[Any, Any]


class Key(NamedTuple):
    """Which resource: `Key("online-deployment", "fraud/blue")`."""

    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Resource(Generic[SpecT, StatusT]):
    """A resource as the store holds it.

    `generation` counts the edits of `spec`; `version` counts every write of the row and guards status writes.
    `uid` differs between two resources that had the same name one after the other.
    """

    kind: str
    name: str
    uid: str
    generation: int
    version: int
    spec: SpecT
    status: StatusT
    created_at: datetime
    updated_at: datetime
    deleting_since: datetime | None = None

    @property
    def key(self) -> Key:
        return Key(self.kind, self.name)

    @property
    def ready(self) -> bool:
        """True if the Ready condition is true and speaks of this very generation."""
        condition = self.status.condition("Ready")
        return (
            condition is not None
            and condition.truth is Truth.TRUE
            and self.status.observed_generation == self.generation
        )


AnyResource = Resource[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Revision(Generic[SpecT]):
    """A spec that a resource has or had: one row of its history."""

    uid: str
    generation: int
    spec: SpecT
    action: str  # create, update, rollback
    actor: str
    at: datetime


def with_condition(conditions: Sequence[Condition], new: Condition) -> tuple[Condition, ...]:
    """`conditions` with `new` in the place of its namesake; `since` is kept while the truth stays the same."""
    old = next((c for c in conditions if c.name == new.name), None)
    if old is None:
        return (*conditions, new)
    if old.truth is new.truth and old.reason == new.reason:
        new = new.model_copy(update={"since": old.since})
    return tuple(new if c.name == new.name else c for c in conditions)


def provisioning_state(resource: AnyResource) -> str:
    """Azure's provisioning state: Creating, Updating, Deleting, Succeeded or Failed."""
    if resource.deleting_since is not None:
        return "Deleting"
    condition = resource.status.condition("Ready")
    seen = resource.status.observed_generation == resource.generation
    if condition is None or not seen or condition.truth is Truth.UNKNOWN:
        return "Creating" if resource.generation == 1 else "Updating"
    return "Succeeded" if condition.truth is Truth.TRUE else "Failed"
