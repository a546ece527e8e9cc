"""Databases for the suites: a SQLite file and a real PostgreSQL server."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

import pytest
import sqlalchemy as sa
from support.postgresql import a_postgresql

from penstock.store.base import Fence
from penstock.store.ledger import Ledger
from penstock.store.sql import SqlStore, open_store
from penstock.testing.ledger import MemoryLedger


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a real server that lives as long as the test run, and not a moment longer."""
    with a_postgresql() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def an_empty_database(kind: str, request: pytest.FixtureRequest) -> Generator[str]:
    """URL of a database of that kind, `sqlite` or `postgresql`, that nothing is left of."""
    if kind == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('tmp_path') / 'penstock.db'}"
        return
    server = request.getfixturevalue("postgresql")
    yield server.replace("+psycopg", "")
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty database."""
    with an_empty_database(request.param, request) as url:
        yield url


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    with closing(open_store(database_url)) as opened:
        yield opened


@pytest.fixture
def fenced(store: SqlStore, database_url: str) -> Iterator[SqlStore]:
    """The same database, for whoever holds the lease `controllers` under the name `us`."""
    with closing(open_store(database_url, Fence(lease="controllers", holder="us"))) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql", "memory"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "memory":
        yield MemoryLedger()
        return
    with an_empty_database(request.param, request) as url, closing(open_store(url)) as opened:
        yield opened.ledger()
