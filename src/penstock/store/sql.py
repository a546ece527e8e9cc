"""The store on SQLite or PostgreSQL, through the same statements.

`updated_at` is the time of the last write by a user: status writes leave it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from penstock.domain.errors import PenstockError
from penstock.domain.events import Event
from penstock.domain.resource import AnyResource, Frozen, Key, Kind, Resource, Revision, Status
from penstock.store.base import Fence, Lease, Write
from penstock.store.database import Database, open_database
from penstock.store.ledger_sql import SqlLedger
from penstock.store.migrate import current, migrate
from penstock.store.rows import event_of, readable, resource_of, revision_of
from penstock.store.tables import events, history, leases, resources
from penstock.store.writes import (
    append,
    changed,
    create,
    mark_deleting,
    named,
    permitted,
    rows_as_of,
    same,
    update_spec,
    write,
)

SpecT = TypeVar("SpecT", bound=Frozen)
StatusT = TypeVar("StatusT", bound=Status)

_PARTS = {  # what lies under ENDPOINT/
    "online-endpoint": ("online-deployment", "rollout", "autoscale", "scale"),
    "batch-endpoint": ("batch-deployment",),
}
_PAGE = 200  # resources that are read at once
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
        row = self._database.read(lambda c: c.execute(select(resources).where(named(kind, name))).one_or_none())
        return None if row is None else resource_of(kind, row)

    def list(self, kind: Kind[SpecT, StatusT], prefix: str = "") -> Sequence[Resource[SpecT, StatusT]]:
        query = select(resources).where(resources.c.kind == kind.name, _begins_with(resources.c.name, prefix))
        rows = self._database.read(lambda c: c.execute(query.order_by(resources.c.name)).all())
        return readable(lambda row: resource_of(kind, row), rows)

    def newest(self, kind: Kind[SpecT, StatusT]) -> Iterator[Resource[SpecT, StatusT]]:
        at, name = resources.c.created_at, resources.c.name
        query = select(resources).where(resources.c.kind == kind.name).order_by(at.desc(), name.desc()).limit(_PAGE)
        page = query
        while rows := self._database.read(lambda c, page=page: c.execute(page).all()):
            yield from readable(lambda row: resource_of(kind, row), rows)
            last = rows[-1]
            page = query.where(or_(at < last.created_at, and_(at == last.created_at, name < last.name)))

    def create(self, kind: Kind[SpecT, StatusT], name: str, spec: SpecT, event: Event) -> Resource[SpecT, StatusT]:
        return self._database.write(lambda connection: create(connection, kind, name, spec, event))

    def update_spec(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], spec: SpecT, event: Event, action: str
    ) -> Resource[SpecT, StatusT]:
        return self._database.write(lambda connection: update_spec(connection, kind, resource, spec, event, action))

    def update_status(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], status: StatusT, *events: Event
    ) -> Resource[SpecT, StatusT] | None:
        changes = {"status": status.model_dump_json(), "version": resource.version + 1}
        guard = and_(same(resource), resources.c.version == resource.version, permitted(self._fence))

        def write(connection: Connection) -> Resource[SpecT, StatusT] | None:
            if not changed(connection.execute(update(resources).where(guard).values(changes))):
                return None
            append(connection, events)
            return resource_of(kind, connection.execute(select(resources).where(same(resource))).one())

        return self._database.write(write)

    def mark_deleting(
        self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], event: Event
    ) -> Resource[SpecT, StatusT]:
        return self._database.write(lambda connection: mark_deleting(connection, kind, resource, event))

    def write_all(self, writes: Sequence[Write]) -> Sequence[AnyResource]:
        return self._database.write(lambda connection: [write(connection, each) for each in writes])

    def remove(self, kind: Kind[SpecT, StatusT], resource: Resource[SpecT, StatusT], event: Event) -> None:
        def write(connection: Connection) -> None:
            if changed(connection.execute(delete(resources).where(and_(same(resource), permitted(self._fence))))):
                append(connection, [event])

        self._database.write(write)

    def history(self, kind: Kind[SpecT, StatusT], name: str, limit: int = 100) -> Sequence[Revision[SpecT]]:
        uid = select(resources.c.uid).where(named(kind, name)).scalar_subquery()
        query = select(history).where(history.c.uid == uid).order_by(history.c.generation.desc()).limit(limit)
        rows = self._database.read(lambda c: c.execute(query).all())
        return readable(lambda row: revision_of(kind, name, row), rows)

    def as_of(self, kind: Kind[SpecT, StatusT], event: int) -> Mapping[str, Revision[SpecT]]:
        rows = self._database.read(lambda connection: rows_as_of(connection, kind, event))
        return {
            name: revision
            for name, row in rows.items()
            for revision in readable(partial(revision_of, kind, name), [row])
        }

    def record(self, event: Event) -> Event:
        return self._database.write(lambda connection: append(connection, [event])[0])

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
            if changed(connection.execute(update(leases).where(leases.c.name == name, free).values(terms))):
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

    def ledger(self) -> SqlLedger:
        """The ledgers of batch jobs, in the same database under the same fence; closed with the store."""
        return SqlLedger(self._database, self._fence)

    def close(self) -> None:
        self._database.close()


def _begins_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """By order and not by LIKE, which takes upper case for lower case on SQLite."""
    return and_(column >= prefix, column <= prefix + _LAST_CHARACTER)


def _about(key: Key | None) -> ColumnElement[bool]:
    if key is None:
        return events.c.id > 0
    own = and_(events.c.kind == key.kind, events.c.name == key.name)
    parts = _PARTS.get(key.kind)
    return (
        own if parts is None else or_(own, and_(events.c.kind.in_(parts), _begins_with(events.c.name, f"{key.name}/")))
    )
