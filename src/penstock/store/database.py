"""The database behind the store: how it is opened, and how transactions run on it.

One writer at a time, on SQLite and on PostgreSQL alike. Writes are few and short here, and the order in which events
get their ids is then the order in which they become visible, so that nobody who follows them misses one.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from penstock.domain.errors import Code, PenstockError, invalid, unavailable

T = TypeVar("T")

_SQLITE = "sqlite:///"
_LOCK_SECONDS = 10  # how long a writer waits for the others, and goes on trying after collisions
_FIRST_PAUSE = 0.02  # seconds, doubled after each collision
_RETRIED_STATES = ("40001", "40P01")  # PostgreSQL: serialization failure, deadlock
# libpq: a server whose machine has gone answers nothing, not even that it is gone; so much silence is its end.
_SILENCE = {"tcp_user_timeout": 5000, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2}
_WRITERS = 0x70656E73746F636B  # key of PostgreSQL's advisory lock: "penstock" in ASCII


class Database:
    """Runs functions in transactions. Each may be run again after a collision, so it must do nothing but SQL."""

    def __init__(self, engine: Engine, label: str) -> None:
        self._engine = engine
        self._label = label
        # Threads of this process queue up here: fairer and faster than polling for SQLite's file lock.
        self._writing = threading.Lock()

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns. Raises `unavailable` or `internal` if the database fails."""
        return self._run(work, writing=False)

    def write(self, work: Callable[[Connection], T]) -> T:
        """As `read`, alone among all writers; committed when it returns, rolled back if `work` raises."""
        if not self._writing.acquire(timeout=_LOCK_SECONDS):
            raise unavailable(f"{self._label} is busy: earlier writes have not ended in {_LOCK_SECONDS} s; try again")
        try:
            return self._run(work, writing=True)
        finally:
            self._writing.release()

    def close(self) -> None:
        self._engine.dispose()

    def _run(self, work: Callable[[Connection], T], *, writing: bool) -> T:
        deadline = time.monotonic() + _LOCK_SECONDS
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = self._engine.connect().execution_options(penstock_writing=writing)
                with connection, connection.begin():
                    return work(connection)
            except SQLAlchemyError as err:
                if not _collided(err) or time.monotonic() > deadline:
                    raise self._translated(err) from err
            time.sleep(pause)
            pause *= 2

    def _translated(self, err: SQLAlchemyError) -> PenstockError:
        reason = str(err.orig if isinstance(err, DBAPIError) else err).strip().partition("\n")[0]
        password = self._engine.url.password
        if password:
            reason = reason.replace(str(password), "***")
        if isinstance(err, (OperationalError, PoolTimeout)):
            return unavailable(f"{self._label} does not answer: {reason}; see that it is running and has space")
        return PenstockError(Code.INTERNAL, f"{self._label} failed: {reason}")


def open_database(url: str) -> Database:
    """The database at `sqlite:///PATH` (all that follows is the path) or `postgresql://USER:PASSWORD@HOST/NAME`.

    Connects to nothing yet, but makes the SQLite file, readable by its owner only. Raises `invalid` for other URLs
    and `unavailable` if the file cannot be made. No message holds the URL's password.
    """
    if url.startswith(_SQLITE):
        return _open_sqlite(url.removeprefix(_SQLITE))
    return _open_postgresql(url)


def _open_sqlite(path: str) -> Database:
    if path in ("", ":memory:"):
        raise invalid("the database URL sqlite:/// names no file: write sqlite:///PATH")
    try:
        # SQLite gives its two companion files the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        Path(path).chmod(0o600)
    except OSError as err:
        raise unavailable(f"database file {path} cannot be opened: {err.strerror}; see to its folder") from err
    engine = create_engine(
        URL.create("sqlite", database=path), connect_args={"timeout": _LOCK_SECONDS}, hide_parameters=True
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return Database(engine, f"database file {path}")


def _set_up_sqlite(connection: Any, _: object) -> None:
    """Journal: readers never wait for the writer. FULL: what was acknowledged survives the loss of power too, not
    only of the process, for one fsync per write."""
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: one that reads first and locks later can fail where waiting would not help."""
    writing = connection.get_execution_options().get("penstock_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _open_postgresql(url: str) -> Database:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise invalid("the database URL cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/NAME") from None
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise invalid(f"databases of type {parsed.drivername!r} are not supported: use sqlite:///PATH or postgresql://")
    try:
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": _LOCK_SECONDS, **_SILENCE},
            pool_pre_ping=True,
            max_overflow=15,
            hide_parameters=True,
        )
    except ImportError:
        raise invalid("PostgreSQL needs a driver that is not installed: pip install 'penstock[postgresql]'") from None
    event.listen(engine, "connect", _set_up_postgresql)
    event.listen(engine, "begin", _begin_postgresql)
    return Database(engine, f"PostgreSQL database {parsed.database!r} at {parsed.host or parsed.query.get('host')}")


def _set_up_postgresql(connection: Any, _: object) -> None:
    """Bounds: a writer that is frozen in its transaction must not hold up the other control planes for ever."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET timezone = 'UTC'; SET lock_timeout = '{_LOCK_SECONDS}s'; "
            f"SET idle_in_transaction_session_timeout = '{3 * _LOCK_SECONDS}s'"
        )
    connection.commit()


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("penstock_writing", False):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITERS})


def _collided(err: SQLAlchemyError) -> bool:
    """True if the transaction was rolled back because of another one, and may go through if it is run again."""
    if not isinstance(err, DBAPIError) or err.connection_invalidated:
        return False
    if getattr(err.orig, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return True
    return getattr(err.orig, "sqlstate", None) in _RETRIED_STATES
