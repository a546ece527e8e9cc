"""Steps run once and in order, all or none, and a newer database is left alone."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from penstock.domain.errors import Code, PenstockError
from penstock.store.migrate import STEPS, current, migrate


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def add_labels(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE labels (name TEXT)"))


def test_an_empty_database_gets_all_tables_and_needs_nothing_more(connection: Connection) -> None:
    assert not current(connection)
    migrate(connection)
    assert current(connection)
    assert set(inspect(connection).get_table_names()) == {
        "resources",
        "history",
        "events",
        "leases",
        "ledgers",
        "job_files",
        "mini_batches",
        "schema_version",
    }
    migrate(connection)


def test_an_older_database_gets_only_the_steps_that_it_lacks(connection: Connection) -> None:
    migrate(connection)
    ran: list[str] = []
    newer = (*(lambda _: ran.append("known") for _ in STEPS), lambda _: ran.append("new"), add_labels)
    assert not current(connection, newer)
    migrate(connection, newer)
    assert ran == ["new"]
    assert inspect(connection).has_table("labels")
    assert current(connection, newer)


def test_a_newer_database_is_refused_with_both_versions_named(connection: Connection) -> None:
    migrate(connection, (*STEPS, add_labels))
    for call in (current, migrate):
        with pytest.raises(PenstockError, match=r"schema version 5, .* up to 4: upgrade") as error:
            call(connection)
        assert error.value.code is Code.CONFLICT
