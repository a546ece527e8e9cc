"""The tables of the store, the same on SQLite and PostgreSQL: resources, history, events and leases; and those of the
ledgers of jobs."""

import json
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

from penstock.store.sums import SUMS

metadata = MetaData()


class PlainText(TypeDecorator[str]):
    """Text that both databases can hold and order alike, by code points.

    A null character and halves of surrogate pairs, which PostgreSQL refuses, become replacement characters: the
    messages of events quote what users' programs print.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Text:  # type: ignore[override]
        return Text(collation="C" if dialect.name == "postgresql" else None)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")


class UtcTime(TypeDecorator[datetime]):
    """An aware time, in UTC on the way in and out. SQLite keeps it without an offset."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"the store takes times with a time zone, got {value.isoformat()}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ExactText(TypeDecorator[str]):
    """Any text whatever, as JSON in ASCII: names of files may hold bytes that are no text, and must come back as they
    were."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else json.loads(value)


# Specs and statuses are JSON in text columns: nothing queries inside them, and PostgreSQL's own JSON type would
# refuse texts that SQLite takes.
resources = Table(
    "resources",
    metadata,
    Column("kind", PlainText, primary_key=True),
    Column("name", PlainText, primary_key=True),
    Column("uid", PlainText, nullable=False, unique=True),
    Column("generation", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("spec", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("deleting_since", UtcTime),
    Index("resources_by_age", "kind", "created_at", "name"),
)

history = Table(
    "history",
    metadata,
    Column("uid", PlainText, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("spec", Text, nullable=False),
    Column("action", PlainText, nullable=False),
    Column("actor", PlainText, nullable=False),
    Column("at", UtcTime, nullable=False),
    # Absent in rows of versions that did not have these: they belong to no moment of the event log.
    Column("kind", PlainText),
    Column("name", PlainText),
    Column("event", BigInteger),  # id of the event that the change was recorded with
    Index("history_by_kind", "kind", "event"),
)

# SQLite counts up by itself only in a column declared INTEGER, and gives an id twice unless told not to.
events = Table(
    "events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("kind", PlainText, nullable=False),
    Column("name", PlainText, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("reason", PlainText, nullable=False),
    Column("message", PlainText, nullable=False),
    Column("actor", PlainText, nullable=False),
    Index("events_by_resource", "kind", "name", "id"),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", PlainText, primary_key=True),
    Column("holder", PlainText, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

# A row for each ledger, with running sums over its files and mini-batches: they are asked for about once a second,
# and adding up 100,000 rows takes a tenth of one.
ledgers = Table(
    "ledgers",
    metadata,
    Column("job", PlainText, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in SUMS),
)

job_files = Table(
    "job_files",
    metadata,
    Column("job", PlainText, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("uri", ExactText, nullable=False),
    Column("name", ExactText, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("version", PlainText, nullable=False),
    Column("state", PlainText, nullable=False),
    Column("planned", Boolean, nullable=False),  # it has mini-batches, also if it has failed since
    Column("reason", PlainText, nullable=False),
    Index("job_files_by_state", "job", "state", "number"),
)

mini_batches = Table(
    "mini_batches",
    metadata,
    Column("job", PlainText, primary_key=True),
    Column("file", Integer, primary_key=True, autoincrement=False),
    Column("piece", Integer, primary_key=True, autoincrement=False),
    Column("files", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("state", PlainText, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("rows_in", BigInteger, nullable=False),
    Column("rows_out", BigInteger, nullable=False),
    Column("rows_rejected", BigInteger, nullable=False),
    Column("reason", PlainText, nullable=False),
    Column("segments", Text, nullable=False),  # JSON
    Column("parts", Text, nullable=False),  # JSON
    # Of those that are to be done or have failed only: it must not tempt SQLite to look there for others.
    Index(
        "mini_batches_left",
        "job",
        "state",
        "file",
        "piece",
        sqlite_where=(LEFT := text("state <> 'done'")),
        postgresql_where=LEFT,
    ),
)
