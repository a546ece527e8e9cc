"""The version of the database's schema, and the steps from each version to the next.

Steps only add, so that a control plane of the version before can go on beside the new one. Because the first step
makes the tables as they are now, each later step looks first whether what it adds is there.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import DDL, Column, Connection, Integer, MetaData, Table, delete, func, insert, inspect, select, update
from sqlalchemy.schema import CreateColumn

from penstock.domain.errors import conflict
from penstock.store.tables import events, history, job_files, ledgers, metadata, mini_batches, resources

Step = Callable[[Connection], None]

_mark = Table("schema_version", MetaData(), Column("version", Integer, nullable=False))


def create_tables(connection: Connection) -> None:
    """Step 1: resources, history, events, leases."""
    metadata.create_all(connection)


def add_whereabouts(connection: Connection) -> None:
    """Step 2: of each revision the kind and name of its resource, and the event that it was recorded with.

    Of those there are, what can be told: their event has their time, as both were written at once.
    """
    known = {column["name"] for column in inspect(connection).get_columns(history.name)}
    for column in (history.c.kind, history.c.name, history.c.event):
        if column.name not in known:
            connection.execute(DDL(f"ALTER TABLE history ADD COLUMN {CreateColumn(column).compile(connection)}"))
    for index in history.indexes:
        index.create(connection, checkfirst=True)
    mine = resources.c.uid == history.c.uid
    named = {n: select(resources.c[n]).where(mine).scalar_subquery() for n in ("kind", "name")}
    connection.execute(update(history).where(history.c.kind.is_(None)).values(named))
    same = [events.c[name] == history.c[name] for name in ("kind", "name", "generation", "at")]
    first = select(func.min(events.c.id)).where(*same).scalar_subquery()
    connection.execute(update(history).where(history.c.event.is_(None)).values(event=first))


def add_ledgers(connection: Connection) -> None:
    """Step 3: the ledgers of jobs."""
    for table in (ledgers, job_files, mini_batches):
        table.create(connection, checkfirst=True)


def add_ages(connection: Connection) -> None:
    """Step 4: resources are found by their age."""
    for index in resources.indexes:
        index.create(connection, checkfirst=True)


STEPS: tuple[Step, ...] = (create_tables, add_whereabouts, add_ledgers, add_ages)  # the first leads to version 1


def current(connection: Connection, steps: Sequence[Step] = STEPS) -> bool:
    """True if the database needs no step. Raises `conflict` if it is newer than this code."""
    return _checked_version(connection, steps) == len(steps)


def migrate(connection: Connection, steps: Sequence[Step] = STEPS) -> None:
    """Bring the database to the newest version, in the caller's transaction, which must exclude other writers.

    Raises `conflict` if the database is newer than this code.
    """
    version = _checked_version(connection, steps)
    if version == len(steps):
        return
    for step in steps[version:]:
        step(connection)
    _mark.create(connection, checkfirst=True)
    connection.execute(delete(_mark))
    connection.execute(insert(_mark).values(version=len(steps)))


def _checked_version(connection: Connection, steps: Sequence[Step]) -> int:
    """The version of the database; 0 for an empty one."""
    version = 0
    if inspect(connection).has_table(_mark.name):
        version = connection.execute(select(_mark.c.version)).scalar_one()
    if version > len(steps):
        raise conflict(
            f"the database has schema version {version}, and this Penstock knows versions up to {len(steps)}: "
            "upgrade Penstock, or restore a backup that is as old as it"
        )
    return version
