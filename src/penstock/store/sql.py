"""The store on SQLite or PostgreSQL, through the same statements.

`updated_at` is the time of the last write by a user: status writes leave it.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, CursorResult, and_, delete, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from penstock.domain.errors import PenstockError, conflict
from penstock.domain.events import Event
from penstock.domain.resource import AnyKind, AnyResource, Frozen, Key, Kind, Resource, Revision, Status
from penstock.store.base import Fence, Lease
from penstock.store.database import Database, open_database
from penstock.store.migrate import current, migrate
from penstock.store.rows import event_of, readable, resource_of, revision_of
from penstock.store.tables import events, history, leases, resources

SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)

_LAST_CHARACTER = "\U0010ffff"


def open_store(url: str, fence: Fence | None = None) -> "SqlStore":
    """The store at `url`, with its tables brought up to date; see `open_database` for the forms of `url`.

    With a fence, statuses and removals are written only while its holder has its lease.

    Raises `invalid` for a wrong URL, `unavailable` if the database does not answer, `conflict` if it is newer than
    this code.
    """
    database = open_database(url)
    try:
        if not database.read(current):
            database.write(migrate)
    except PenstockError:
        database.close()
        raise
    return SqlStore(database, fence)


class SqlStore:
    """The port `Store`. A row that this version cannot read fails `get` and is left out of lists, with a log line."""

    def __init__(self, database: Database, fence: Fence | None = None) -> None:
        self._database = database
        self._fence = fence

    def get(self, kind: Kind[SpecT, StatusT], name: str) -> Resource[SpecT, StatusT] | None:
        row = self._database.read(lambda c: c.execute(select(resources).where(_named(kind, name))).one_or_none())
        return None if row is None else resource_of(kind, row)

    def list(self, kind: Kind[SpecT, StatusT], prefix: str = "") -> Sequence[Resource[SpecT, StatusT]]:
        query = select(resources).where(resources.c.kind == kind.name, _begins_with(resources.c.name, prefix))
        rows = self._database.read(lambda c: c.execute(query.order_by(resources.c.name)).all())
        return readable(lambda row: resource_of(kind, row), rows)

    def create(self, kind: Kind[SpecT, StatusT], name: str, spec: SpecT, event: Event) -> Resource[SpecT, StatusT]:
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

        def write(connection: Connection) -> Resource[SpecT, StatusT]:
            try:
                connection.execute(insert(resources).values(row))
            except IntegrityError:
                raise conflict(f"{kind.name} {name!r} exists already") from None
            created = resource_of(kind, connection.execute(select(resources).where(_named(kind, name))).one())
            _keep(connection, created, "create", event)
            return created

        return self._database.write(write)

    def update_spec(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], spec: SpecT, event: Event, action: str
    ) -> Resource[SpecT, StatusT]:
        changes = {
            "spec": spec.model_dump_json(),
            "generation": resource.generation + 1,
            "version": resources.c.version + 1,
            "updated_at": event.at,
        }
        guard = and_(_same_generation(resource), resources.c.deleting_since.is_(None))

        def write(connection: Connection) -> Resource[SpecT, StatusT]:
            if not _changed(connection.execute(update(resources).where(guard).values(changes))):
                raise _changed_meanwhile(resource)
            updated = resource_of(kind, connection.execute(select(resources).where(_same(resource))).one())
            _keep(connection, updated, action, event)
            return updated

        return self._database.write(write)

    def update_status(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], status: StatusT, *events: Event
    ) -> Resource[SpecT, StatusT] | None:
        changes = {"status": status.model_dump_json(), "version": resource.version + 1}
        guard = and_(_same(resource), resources.c.version == resource.version, _permitted(self._fence))

        def write(connection: Connection) -> Resource[SpecT, StatusT] | None:
            if not _changed(connection.execute(update(resources).where(guard).values(changes))):
                return None
            _append(connection, events)
            return resource_of(kind, connection.execute(select(resources).where(_same(resource))).one())

        return self._database.write(write)

    def mark_deleting(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], event: Event
    ) -> Resource[SpecT, StatusT]:
        changes = {"deleting_since": event.at, "updated_at": event.at, "version": resources.c.version + 1}
        guard = and_(_same_generation(resource), resources.c.deleting_since.is_(None))

        def write(connection: Connection) -> Resource[SpecT, StatusT]:
            if _changed(connection.execute(update(resources).where(guard).values(changes))):
                _append(connection, [event])
            row = connection.execute(select(resources).where(_same_generation(resource))).one_or_none()
            if row is None:
                raise _changed_meanwhile(resource)
            return resource_of(kind, row)

        return self._database.write(write)

    def remove(self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], event: Event) -> None:
        def write(connection: Connection) -> None:
            if _changed(connection.execute(delete(resources).where(and_(_same(resource), _permitted(self._fence))))):
                _append(connection, [event])

        self._database.write(write)

    def history(self, kind: Kind[SpecT, StatusT], name: str, limit: int = 100) -> Sequence[Revision[SpecT]]:
        uid = select(resources.c.uid).where(_named(kind, name)).scalar_subquery()
        query = select(history).where(history.c.uid == uid).order_by(history.c.generation.desc()).limit(limit)
        rows = self._database.read(lambda c: c.execute(query).all())
        return readable(lambda row: revision_of(kind, name, row), rows)

    def record(self, event: Event) -> Event:
        return self._database.write(lambda connection: _append(connection, [event])[0])

    def events(self, *, after: int = 0, key: Key | None = None, limit: int = 1000) -> Sequence[Event]:
        query = select(events).where(events.c.id > after, _about(key)).order_by(events.c.id).limit(limit)
        return [event_of(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def last_events(self, *, key: Key | None = None, limit: int = 100) -> Sequence[Event]:
        query = select(events).where(_about(key)).order_by(events.c.id.desc()).limit(limit)
        return [event_of(row) for row in reversed(self._database.read(lambda c: c.execute(query).all()))]

    def acquire_lease(self, name: str, holder: str, now: datetime, duration: timedelta) -> bool:
        terms = {"holder": holder, "expires_at": now + duration}
        free = or_(leases.c.holder == holder, leases.c.expires_at <= now)

        def write(connection: Connection) -> bool:
            if _changed(connection.execute(update(leases).where(leases.c.name == name, free).values(terms))):
                return True
            if connection.execute(select(leases).where(leases.c.name == name)).one_or_none() is not None:
                return False
            connection.execute(insert(leases).values(name=name, **terms))
            return True

        return self._database.write(write)

    def lease(self, name: str) -> Lease | None:
        query = select(leases).where(leases.c.name == name)
        row = self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else Lease(holder=row.holder, expires_at=row.expires_at)

    def release_lease(self, name: str, holder: str) -> None:
        mine = and_(leases.c.name == name, leases.c.holder == holder)
        self._database.write(lambda connection: connection.execute(delete(leases).where(mine)))

    def close(self) -> None:
        self._database.close()


def _named(kind: AnyKind, name: str) -> ColumnElement[bool]:
    return and_(resources.c.kind == kind.name, resources.c.name == name)


def _begins_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """By order and not by LIKE, which takes upper case for lower case on SQLite."""
    return and_(column >= prefix, column <= prefix + _LAST_CHARACTER)


def _same(resource: AnyResource) -> ColumnElement[bool]:
    return resources.c.uid == resource.uid


def _same_generation(resource: AnyResource) -> ColumnElement[bool]:
    return and_(_same(resource), resources.c.generation == resource.generation)


def _permitted(fence: Fence | None) -> ColumnElement[bool]:
    """Whether it has expired does not matter: as long as nobody else has taken the lease, nobody else acts."""
    if fence is None:
        return true()
    held = and_(leases.c.name == fence.lease, leases.c.holder == fence.holder)
    return select(leases.c.name).where(held).exists()


def _changed(result: CursorResult[Any]) -> bool:
    return result.rowcount > 0


def _changed_meanwhile(resource: AnyResource) -> PenstockError:
    return conflict(
        f"{resource.kind} {resource.name!r} is no longer as it was at generation {resource.generation}: "
        "somebody changed or deleted it; get it again and repeat the change"
    )


def _keep(connection: Connection, resource: AnyResource, action: str, event: Event) -> None:
    """Add the present spec to the history, and the event of its change."""
    connection.execute(
        insert(history).values(
            uid=resource.uid,
            generation=resource.generation,
            spec=resource.spec.model_dump_json(),
            action=action,
            actor=event.actor,
            at=event.at,
        )
    )
    _append(connection, [event])


def _append(connection: Connection, new: Iterable[Event]) -> Sequence[Event]:
    """Add events and return them with their ids."""
    numbered: list[Event] = []
    for event in new:
        result = connection.execute(insert(events).values(event.model_dump(exclude={"id"})))
        (number,) = result.inserted_primary_key or (0,)
        numbered.append(event.model_copy(update={"id": number}))
    return numbered


def _about(key: Key | None) -> ColumnElement[bool]:
    if key is None:
        return events.c.id > 0
    own = and_(events.c.kind == key.kind, events.c.name == key.name)
    if not key.kind.endswith("-endpoint"):
        return own
    parts = f"{key.kind.removesuffix('-endpoint')}-deployment"
    return or_(own, and_(events.c.kind == parts, _begins_with(events.c.name, f"{key.name}/")))
