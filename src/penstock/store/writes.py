"""The writes of the store, each as a part of a transaction."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, CursorResult, Row, and_, delete, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from penstock.domain.errors import PenstockError, conflict
from penstock.domain.events import Event
from penstock.domain.resource import AnyKind, AnyResource, Frozen, Kind, Resource, Status
from penstock.store.base import Fence, Write
from penstock.store.rows import resource_of
from penstock.store.tables import events, history, leases, resources

SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)

_ENDS = ("Deleting", "Deleted")  # reasons of the events after which a resource is none any more


def write(connection: Connection, wanted: Write) -> AnyResource:
    """Create, change, or mark as being deleted. Raises `conflict` if the resource is not as it was read."""
    kind, present, spec = wanted.kind, wanted.present, wanted.spec
    if present is None and spec is not None:
        return create(connection, kind, wanted.name, spec, wanted.event, wanted.action)
    if present is None:
        raise conflict(f"{kind.name} {wanted.name!r} does not exist")
    if spec is None:
        return mark_deleting(connection, kind, present, wanted.event)
    return update_spec(connection, kind, present, spec, wanted.event, wanted.action)


def create(
    connection: Connection,
    kind: Kind[SpecT, StatusT],
    name: str,
    spec: SpecT,
    event: Event,
    action: str = "create",
) -> Resource[SpecT, StatusT]:
    row: dict[str, Any] = {
        "kind": kind.name,
        "name": name,
        "uid": uuid.uuid4().hex,
        "generation": 1,
        "version": 1,
        "spec": spec.model_dump_json(),
        "status": kind.status().model_dump_json(),
        "created_at": event.at,
        "updated_at": event.at,
    }
    try:
        connection.execute(insert(resources).values(row))
    except IntegrityError:
        raise conflict(f"{kind.name} {name!r} exists already") from None
    created = resource_of(kind, connection.execute(select(resources).where(named(kind, name))).one())
    _keep(connection, kind, created, action, event)
    return created


def update_spec(
    connection: Connection,
    kind: Kind[SpecT, StatusT],
    resource: Resource[SpecT, StatusT],
    spec: SpecT,
    event: Event,
    action: str,
) -> Resource[SpecT, StatusT]:
    changes = {
        "spec": spec.model_dump_json(),
        "generation": resource.generation + 1,
        "version": resources.c.version + 1,
        "updated_at": event.at,
    }
    guard = and_(_same_generation(resource), resources.c.deleting_since.is_(None))
    if not changed(connection.execute(update(resources).where(guard).values(changes))):
        raise _changed_meanwhile(resource)
    updated = resource_of(kind, connection.execute(select(resources).where(same(resource))).one())
    _keep(connection, kind, updated, action, event)
    return updated


def mark_deleting(
    connection: Connection, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], event: Event
) -> Resource[SpecT, StatusT]:
    changes = {"deleting_since": event.at, "updated_at": event.at, "version": resources.c.version + 1}
    guard = and_(_same_generation(resource), resources.c.deleting_since.is_(None))
    if changed(connection.execute(update(resources).where(guard).values(changes))):
        append(connection, [event])
    row = connection.execute(select(resources).where(_same_generation(resource))).one_or_none()
    if row is None:
        raise _changed_meanwhile(resource)
    return resource_of(kind, row)


def rows_as_of(connection: Connection, kind: AnyKind, event: int) -> Mapping[str, Row[Any]]:
    """The rows of `history`, by name, of the resources that there were once that event was recorded."""
    kept = select(history).where(history.c.kind == kind.name, history.c.event <= event).order_by(history.c.event)
    latest = {row.name: row for row in connection.execute(kept)}
    ended = (
        select(events.c.name, func.max(events.c.id))
        .where(events.c.kind == kind.name, events.c.id <= event, events.c.reason.in_(_ENDS))
        .group_by(events.c.name)
    )
    ends: dict[str, int] = {name: number for name, number in connection.execute(ended)}
    return {name: row for name, row in latest.items() if ends.get(name, 0) < row.event}


def append(connection: Connection, new: Iterable[Event]) -> Sequence[Event]:
    """Add events and return them with their ids."""
    numbered: list[Event] = []
    for event in new:
        result = connection.execute(insert(events).values(event.model_dump(exclude={"id"})))
        (number,) = result.inserted_primary_key or (0,)
        numbered.append(event.model_copy(update={"id": number}))
    return numbered


def named(kind: AnyKind, name: str) -> ColumnElement[bool]:
    return and_(resources.c.kind == kind.name, resources.c.name == name)


def same(resource: AnyResource) -> ColumnElement[bool]:
    return resources.c.uid == resource.uid


def changed(result: CursorResult[Any]) -> bool:
    return result.rowcount > 0


def permitted(fence: Fence | None) -> ColumnElement[bool]:
    """Whether it has expired does not matter: as long as nobody else has taken the lease, nobody else acts."""
    if fence is None:
        return true()
    held = and_(leases.c.name == fence.lease, leases.c.holder == fence.holder)
    return select(leases.c.name).where(held).exists()


def _same_generation(resource: AnyResource) -> ColumnElement[bool]:
    return and_(same(resource), resources.c.generation == resource.generation)


def _changed_meanwhile(resource: AnyResource) -> PenstockError:
    return conflict(
        f"{resource.kind} {resource.name!r} is no longer as it was at generation {resource.generation}: "
        "somebody changed or deleted it; get it again and repeat the change"
    )


def _keep(connection: Connection, kind: AnyKind, resource: AnyResource, action: str, event: Event) -> None:
    """Add the present spec to the history, and the event of its change. The history stays as long as it may be."""
    (recorded,) = append(connection, [event])
    connection.execute(
        insert(history).values(
            uid=resource.uid,
            generation=resource.generation,
            spec=resource.spec.model_dump_json(),
            action=action,
            actor=event.actor,
            at=event.at,
            kind=resource.kind,
            name=resource.name,
            event=recorded.id,
        )
    )
    if kind.revisions is not None:
        old = and_(history.c.uid == resource.uid, history.c.generation <= resource.generation - kind.revisions)
        connection.execute(delete(history).where(old))
