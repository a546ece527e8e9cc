"""The port for state: resources, their history, what happened to them, and who may act."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from penstock.domain.events import Event
from penstock.domain.resource import AnyKind, AnyResource, Frozen, Key, Kind, Resource, Revision, Status

SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)


@dataclass(frozen=True, kw_only=True)
class Write:
    """One of several changes that are made together.

    `present` is the resource as it was read, None if there was none; without a `spec` it is marked as being deleted.
    """

    kind: AnyKind
    name: str
    present: AnyResource | None
    spec: Frozen | None
    event: Event
    action: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who may act, and until when unless it says so again."""

    holder: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Fence:
    """The lease that a store's user must hold for what only controllers write; checked in the transaction itself."""

    lease: str
    holder: str


class Store(Protocol):
    """Every write is one short transaction that carries its events with it. Calls may come from any thread.

    Spec writes are guarded by `generation` (two users), status writes by `version` (two controllers).
    Events given with `id=0` get their ids here.
    """

    def get(self, kind: Kind[SpecT, StatusT], name: str) -> Resource[SpecT, StatusT] | None: ...

    def list(self, kind: Kind[SpecT, StatusT], prefix: str = "") -> Sequence[Resource[SpecT, StatusT]]:
        """All resources of a kind whose name begins with `prefix`, by name; those being deleted too.

        One that this version cannot read is left out: ask `get`, which fails for it, before taking absence for
        deletion.
        """
        ...

    def newest(self, kind: Kind[SpecT, StatusT]) -> Iterator[Resource[SpecT, StatusT]]:
        """All resources of a kind, the newest first, read some hundred at a time as they are asked for; of those made
        at the same time by name, backwards. Left out is what `list` leaves out."""
        ...

    def create(self, kind: Kind[SpecT, StatusT], name: str, spec: SpecT, event: Event) -> Resource[SpecT, StatusT]:
        """Add a resource at generation 1 with an empty status. Raises `conflict` if the name is taken.

        The times of the row and of its first revision are the event's, and so is the actor.
        """
        ...

    def update_spec(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], spec: SpecT, event: Event, action: str
    ) -> Resource[SpecT, StatusT]:
        """Replace the spec, count the generation up, and keep it in the history under `action`.

        Raises `conflict` if the resource is gone or being deleted, or its generation is no longer
        `resource.generation`.
        """
        ...

    def update_status(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], status: StatusT, *events: Event
    ) -> Resource[SpecT, StatusT] | None:
        """Replace the status.

        None, and nothing written, if somebody wrote the row since `resource` was read, or if this store has a fence
        and its lease is another's.
        """
        ...

    def mark_deleting(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], event: Event
    ) -> Resource[SpecT, StatusT]:
        """Set `deleting_since`; fine if it is set already, and no event then.

        Raises `conflict` if the resource is gone, or its generation is no longer `resource.generation`.
        """
        ...

    def write_all(self, writes: Sequence[Write]) -> Sequence[AnyResource]:
        """Make all the changes in one transaction, in their order; returns the resources as they are then.

        Raises `conflict`, with nothing written, if one of the resources is no longer as it was read.
        """
        ...

    def remove(self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], event: Event) -> None:
        """Delete the row (guarded by uid and the fence; fine if it is gone). History and events stay."""
        ...

    def history(self, kind: Kind[SpecT, StatusT], name: str, limit: int = 100) -> Sequence[Revision[SpecT]]:
        """Specs of the present resource of that name (its uid only), newest first."""
        ...

    def as_of(self, kind: Kind[SpecT, StatusT], event: int) -> Mapping[str, Revision[SpecT]]:
        """The resources that there were once the event of that id was recorded, by name; not those being deleted."""
        ...

    def record(self, event: Event) -> Event:
        """Append an event on its own."""
        ...

    def events(self, *, after: int = 0, key: Key | None = None, limit: int = 1000) -> Sequence[Event]:
        """Events with a higher id than `after`, oldest first. `key` keeps one resource's and, for an endpoint,
        its deployments' (names that begin with `NAME/`)."""
        ...

    def last_events(self, *, key: Key | None = None, limit: int = 100) -> Sequence[Event]:
        """The newest events, oldest of them first."""
        ...

    def acquire_lease(self, name: str, holder: str, now: datetime, duration: timedelta) -> bool:
        """Take or renew the lease; False if another holder has it and it has not expired."""
        ...

    def lease(self, name: str) -> Lease | None:
        """Who has it, whether it has expired or not; None if nobody does."""
        ...

    def release_lease(self, name: str, holder: str) -> None: ...

    def close(self) -> None: ...
