"""What a store endures: processes that start or die at once, full disks, servers that go away, files that are none."""

import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import Code, PenstockError
from penstock.domain.events import Event
from penstock.domain.resource import Key
from penstock.store.base import Store
from penstock.store.database import open_database
from penstock.store.sql import open_store
from penstock.store.tables import events

NOW = datetime(2030, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def create(store: Store, name: str = "fraud", text: str = "first"):
    event = Event(at=NOW, kind="online-endpoint", name=name, reason="Created", message="it was", actor="alice@host")
    return store.create(ONLINE_ENDPOINT, name, OnlineEndpoint(description=text), event)


WRITER = """
import sys
from datetime import UTC, datetime
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.events import Event
from penstock.store.database import open_database
from penstock.store.sql import open_store
from penstock.store.tables import events

store, run, n = open_store(sys.argv[1]), sys.argv[2], 0
def event(name):
    return Event(at=datetime.now(UTC), kind="online-endpoint", name=name, reason="Written", message="x", actor="a")
while True:
    name = f"run{run}-{n}"
    made = store.create(ONLINE_ENDPOINT, name, OnlineEndpoint(description="x" * 5000), event(name))
    store.update_spec(ONLINE_ENDPOINT, made, OnlineEndpoint(description=name), event(name), "update")
    print(name, flush=True)
    n += 1
"""


def test_control_planes_that_start_at_once_on_an_empty_database_all_open_it(database_url: str) -> None:
    barrier = threading.Barrier(6)

    def start(number: int) -> int:
        barrier.wait()
        with closing(open_store(database_url)) as store:
            return create(store, f"{number}").generation

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(start, range(6))) == [1] * 6


def test_no_event_is_seen_before_one_with_a_lower_id(database_url: str) -> None:
    """Else whoever follows the log by its ids would miss the one that is committed late."""
    numbered, release = threading.Event(), threading.Event()

    def slowly(connection: sa.Connection) -> None:
        row = {"at": NOW, "kind": "k", "name": "slow", "generation": 1, "reason": "R", "message": "m", "actor": "a"}
        connection.execute(sa.insert(events).values(row))
        numbered.set()
        release.wait(10)

    with closing(open_store(database_url)) as store, closing(open_database(database_url)) as other:
        with ThreadPoolExecutor(2) as pool:
            slow = pool.submit(other.write, slowly)
            assert numbered.wait(10)
            quick = pool.submit(create, store, "quick")
            with pytest.raises(TimeoutError):
                quick.result(0.3)
            assert store.events() == []
            release.set()
            slow.result(10)
            quick.result(10)
        assert [e.name for e in store.events()] == ["slow", "quick"]


def test_kill_9_of_a_writer_loses_nothing_that_was_acknowledged(database_url: str) -> None:
    for run in range(3):
        acknowledged: list[str] = []
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, database_url, str(run)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                acknowledged.append(line.strip())
                if len(acknowledged) == 5 + run:
                    writer.send_signal(signal.SIGKILL)
        with closing(open_store(database_url)) as store:
            present = {r.name: r for r in store.list(ONLINE_ENDPOINT, f"run{run}-")}
            assert set(acknowledged) <= set(present)
            assert all(present[name].spec == OnlineEndpoint(description=name) for name in acknowledged)
            for name, resource in present.items():
                assert len(store.history(ONLINE_ENDPOINT, name)) == resource.generation
                assert len(store.events(key=Key("online-endpoint", name))) == resource.generation
            assert store.acquire_lease("controllers", f"{run}", NOW + run * MINUTE, MINUTE)


def test_a_database_server_that_was_away_is_found_again(postgresql: str) -> None:
    with closing(open_store(postgresql)) as store:
        engine = sa.create_engine(postgresql)
        with engine.connect() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            connection.execute(sa.text(f"{others} AND datname = current_database()"))
        engine.dispose()
        assert store.list(ONLINE_ENDPOINT) == []


def test_a_writer_waits_for_another_process_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    with (
        closing(open_store(f"sqlite:///{path}")) as store,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(create, store)
            with pytest.raises(TimeoutError):
                writing.result(0.2)
            assert store.list(ONLINE_ENDPOINT) == []  # readers do not wait
            other.execute("ROLLBACK")
            assert writing.result(10).generation == 1


def test_the_sqlite_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "odd ?#% name"
    folder.mkdir()
    with closing(open_store(f"sqlite:///{folder / 'penstock.db'}")) as store:
        create(store)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(("penstock.db", "penstock.db-wal", "penstock.db-shm"), 0o600)


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(PenstockError, match=str(path)) as error:
        open_store(f"sqlite:///{path}")
    assert error.value.code is Code.INTERNAL


def test_a_full_disk_is_reported_as_such_and_passes(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        create(store)
        engine = store._database._engine
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 20")
            connection.rollback()
        with pytest.raises(PenstockError, match="full") as error:
            create(store, "large", "x" * 1_000_000)
        assert error.value.code is Code.UNAVAILABLE
        assert store.get(ONLINE_ENDPOINT, "large") is None
        assert create(store, "small").generation == 1


def test_no_message_holds_the_password_of_a_database_that_is_away() -> None:
    with pytest.raises(PenstockError, match="does not answer") as error:
        open_store("postgresql://user:hunter2@127.0.0.1:1/penstock")
    assert error.value.code is Code.UNAVAILABLE
    assert "hunter2" not in error.value.message
