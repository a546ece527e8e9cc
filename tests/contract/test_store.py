"""What every store does, on SQLite and on a real PostgreSQL."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa

from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.errors import Code, PenstockError
from penstock.domain.events import Event
from penstock.domain.resource import Condition, Key, Truth
from penstock.store.base import Store, Write
from penstock.store.sql import open_store

NOW = datetime(2030, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def happened(name: str = "fraud", kind: str = "online-endpoint", **fields: Any) -> Event:
    given = {"at": NOW, "reason": "Created", "message": "it was", "actor": "alice@host", **fields}
    return Event(kind=kind, name=name, **given)


def described(text: str) -> OnlineEndpoint:
    return OnlineEndpoint(description=text)


def create(store: Store, name: str = "fraud", text: str = "first"):
    return store.create(ONLINE_ENDPOINT, name, described(text), happened(name, generation=1))


def create_deployment(store: Store, name: str):
    spec = OnlineDeployment(model="azureml:m:1")
    return store.create(ONLINE_DEPLOYMENT, name, spec, happened(name, "online-deployment"))


def codes(calls: list[Callable[[], object]]) -> list[str]:
    """Run all at once; `ok` or the error's code for each, sorted."""
    barrier = threading.Barrier(len(calls))

    def outcome(call: Callable[[], object]) -> str:
        barrier.wait()
        try:
            call()
        except PenstockError as err:
            return err.code.value
        return "ok"

    with ThreadPoolExecutor(len(calls)) as pool:
        return sorted(pool.map(outcome, calls))


def test_a_created_resource_is_read_back_as_it_was_given(store: Store) -> None:
    created = create(store)
    assert store.get(ONLINE_ENDPOINT, "fraud") == created
    assert (created.generation, created.version, created.spec) == (1, 1, described("first"))
    assert (created.created_at, created.updated_at, created.deleting_since) == (NOW, NOW, None)
    assert created.created_at.tzinfo is UTC
    assert store.get(ONLINE_ENDPOINT, "other") is None
    assert store.get(ONLINE_DEPLOYMENT, "fraud") is None
    assert [(e.id, e.message) for e in store.events()] == [(1, "it was")]


def test_of_many_creators_of_one_name_exactly_one_wins(store: Store) -> None:
    outcomes = codes([lambda n=n: create(store, text=f"by {n}") for n in range(6)])
    assert outcomes == ["conflict"] * 5 + ["ok"]
    assert len(store.history(ONLINE_ENDPOINT, "fraud")) == len(store.events()) == 1


def test_of_many_editors_of_one_generation_exactly_one_wins(store: Store) -> None:
    read = create(store)
    outcomes = codes(
        [
            lambda n=n: store.update_spec(ONLINE_ENDPOINT, read, described(f"by {n}"), happened(), "update")
            for n in range(6)
        ]
    )
    assert outcomes == ["conflict"] * 5 + ["ok"]
    present = store.get(ONLINE_ENDPOINT, "fraud")
    assert present is not None
    assert (present.generation, present.version) == (2, 2)
    assert [r.spec for r in store.history(ONLINE_ENDPOINT, "fraud")] == [present.spec, described("first")]


def test_of_two_controllers_the_second_writes_nothing(store: Store) -> None:
    read = create(store)
    status = OnlineEndpointStatus(observed_generation=1)
    first = store.update_status(ONLINE_ENDPOINT, read, status, happened(reason="Seen"))
    assert first is not None
    assert (first.generation, first.version, first.status) == (1, 2, status)
    assert store.update_status(ONLINE_ENDPOINT, read, OnlineEndpointStatus(), happened(reason="Lost")) is None
    assert store.get(ONLINE_ENDPOINT, "fraud") == first
    assert [e.reason for e in store.events()] == ["Created", "Seen"]


def test_a_status_does_not_hinder_the_user_but_an_edit_hinders_the_controller(store: Store) -> None:
    read = create(store)
    assert store.update_status(ONLINE_ENDPOINT, read, OnlineEndpointStatus(observed_generation=1)) is not None
    edited = store.update_spec(ONLINE_ENDPOINT, read, described("second"), happened(at=NOW + MINUTE), "update")
    assert (edited.generation, edited.version, edited.status.observed_generation) == (2, 3, 1)
    assert (edited.created_at, edited.updated_at) == (NOW, NOW + MINUTE)
    assert store.update_status(ONLINE_ENDPOINT, read, OnlineEndpointStatus()) is None


def test_history_holds_the_present_resource_only_not_an_earlier_one_of_that_name(store: Store) -> None:
    old = create(store, text="old")
    store.update_spec(ONLINE_ENDPOINT, old, described("older"), happened(), "update")
    store.remove(ONLINE_ENDPOINT, old, happened(reason="Deleted"))
    assert store.history(ONLINE_ENDPOINT, "fraud") == []
    new = create(store, text="new")
    assert new.uid != old.uid
    rolled = store.update_spec(ONLINE_ENDPOINT, new, described("newer"), happened(actor="bob@host"), "rollback")
    found = store.history(ONLINE_ENDPOINT, "fraud")
    assert [(r.uid, r.generation, r.spec.description, r.action, r.actor) for r in found] == [
        (new.uid, 2, "newer", "rollback", "bob@host"),
        (new.uid, 1, "new", "create", "alice@host"),
    ]
    assert store.history(ONLINE_ENDPOINT, "fraud", limit=1) == found[:1]
    with pytest.raises(PenstockError) as error:
        store.update_spec(ONLINE_ENDPOINT, old, described("ghost"), happened(), "update")
    assert error.value.code is Code.CONFLICT
    store.remove(ONLINE_ENDPOINT, old, happened(reason="Deleted"))
    assert store.get(ONLINE_ENDPOINT, "fraud") == rolled


def test_of_a_kind_that_the_platform_changes_all_the_time_the_newest_revisions_are_kept(store: Store) -> None:
    kind = replace(ONLINE_ENDPOINT, revisions=3)
    other, changed = create(store, "other"), create(store)
    for number in range(5):
        changed = store.update_spec(kind, changed, described(str(number)), happened(), "update")
    assert [r.generation for r in store.history(kind, "fraud")] == [6, 5, 4]
    assert [r.generation for r in store.history(kind, "other")] == [other.generation]


def test_deletion_is_marked_once_and_stops_edits(store: Store) -> None:
    read = create(store)
    marked = store.mark_deleting(ONLINE_ENDPOINT, read, happened(reason="Deleting"))
    assert (marked.deleting_since, marked.generation, marked.version) == (NOW, 1, 2)
    assert store.mark_deleting(ONLINE_ENDPOINT, read, happened(reason="Deleting", at=NOW + MINUTE)) == marked
    assert [e.reason for e in store.events()] == ["Created", "Deleting"]
    assert [r.name for r in store.list(ONLINE_ENDPOINT)] == ["fraud"]
    for late in (
        lambda: store.update_spec(ONLINE_ENDPOINT, read, described("late"), happened(), "update"),
        lambda: create(store),
    ):
        with pytest.raises(PenstockError, match="fraud"):
            late()
    store.remove(ONLINE_ENDPOINT, marked, happened(reason="Deleted"))
    store.remove(ONLINE_ENDPOINT, marked, happened(reason="Deleted"))
    assert [e.reason for e in store.events()] == ["Created", "Deleting", "Deleted"]
    with pytest.raises(PenstockError, match="fraud"):
        store.mark_deleting(ONLINE_ENDPOINT, read, happened())


def test_lists_are_by_name_in_code_points_and_prefixes_are_exact(store: Store) -> None:
    for name in ("fraud/blue", "fraud/Green", "fraud_x/blue", "Fraud/blue", "fraud/100%", "fra"):
        create_deployment(store, name)
    assert [r.name for r in store.list(ONLINE_DEPLOYMENT, "fraud/")] == ["fraud/100%", "fraud/Green", "fraud/blue"]
    everything = [r.name for r in store.list(ONLINE_DEPLOYMENT)]
    assert everything == sorted(everything)
    assert len(everything) == 6
    assert store.list(ONLINE_DEPLOYMENT, "%") == store.list(ONLINE_ENDPOINT) == []


def test_events_come_in_order_after_an_id_and_an_endpoints_with_its_deployments(store: Store) -> None:
    names = [
        ("online-endpoint", "fraud"),
        ("online-deployment", "fraud/blue"),
        ("online-deployment", "fraud2/blue"),
        ("environment", "fraud"),
        ("online-endpoint", "fraud"),
    ]
    ids = [store.record(happened(name, kind)).id for kind, name in names]
    assert ids == [1, 2, 3, 4, 5]
    assert [e.id for e in store.events()] == ids
    assert [e.id for e in store.events(after=2, limit=2)] == [3, 4]
    assert [e.id for e in store.events(key=Key("online-endpoint", "fraud"))] == [1, 2, 5]
    assert [e.id for e in store.events(key=Key("online-deployment", "fraud/blue"))] == [2]
    assert [e.id for e in store.events(key=Key("environment", "fraud"))] == [4]
    assert [e.id for e in store.last_events(limit=2)] == [4, 5]
    assert [e.id for e in store.last_events(key=Key("online-endpoint", "fraud"), limit=2)] == [2, 5]
    assert store.events(after=4)[0] == happened("fraud", id=5)


def test_events_of_a_batch_endpoint_come_with_its_deployments_and_not_with_an_online_ones(store: Store) -> None:
    names = [("batch-endpoint", "fraud"), ("batch-deployment", "fraud/first"), ("online-deployment", "fraud/first")]
    for kind, name in names:
        store.record(happened(name, kind))
    assert [e.id for e in store.events(key=Key("batch-endpoint", "fraud"))] == [1, 2]
    assert [e.id for e in store.last_events(key=Key("online-endpoint", "fraud"))] == [3]


def test_a_lease_is_taken_renewed_and_taken_over_only_once_expired(store: Store) -> None:
    assert store.acquire_lease("controllers", "a", NOW, MINUTE)
    assert not store.acquire_lease("controllers", "b", NOW + MINUTE * 0.9, MINUTE)
    assert store.acquire_lease("other", "b", NOW, MINUTE)
    assert store.acquire_lease("controllers", "a", NOW + MINUTE * 0.9, MINUTE)
    assert not store.acquire_lease("controllers", "b", NOW + MINUTE, MINUTE)
    assert store.acquire_lease("controllers", "b", NOW + MINUTE * 2, MINUTE)
    store.release_lease("controllers", "a")  # not a's any more
    assert not store.acquire_lease("controllers", "a", NOW + MINUTE * 2, MINUTE)
    store.release_lease("controllers", "b")
    assert store.acquire_lease("controllers", "a", NOW + MINUTE * 2, MINUTE)


def test_of_many_that_want_a_lease_exactly_one_gets_it(store: Store) -> None:
    def wanted_by(holder: str, now: datetime) -> bool:
        return store.acquire_lease("controllers", holder, now, MINUTE)

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(wanted_by, "abcdef", [NOW] * 6)) == 1
        assert sum(pool.map(wanted_by, "abcdef", [NOW + MINUTE * 2] * 6)) == 1


def test_every_text_is_kept_and_a_null_character_hurts_nobody(store: Store) -> None:
    text = "Zürich 東京 \U0001f600 ' \" % _ \\ \x00 \x1b[31m"
    created = create(store, "größe", text)
    assert store.get(ONLINE_ENDPOINT, "größe") == created
    assert created.spec.description == text
    recorded = store.record(happened(message="a\0b\x1b"))
    assert store.events(after=recorded.id - 1)[0].message == "a\N{REPLACEMENT CHARACTER}b\x1b"
    assert store.get(ONLINE_ENDPOINT, "a\0b") is None


def test_a_spec_of_ten_megabytes_is_kept(store: Store) -> None:
    text = "x" * 10_000_000
    assert create(store, text=text).spec.description == text


def test_times_are_kept_to_the_microsecond_and_must_have_a_zone(store: Store) -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    status = OnlineEndpointStatus(
        conditions=(Condition(name="Ready", truth=Truth.TRUE, reason="Up", message="is up", since=east),)
    )
    written = store.update_status(ONLINE_ENDPOINT, create(store), status, happened(at=east))
    assert written is not None
    assert written.status == status
    assert (store.last_events()[-1].at, store.last_events()[-1].at.tzinfo) == (NOW, UTC)
    with pytest.raises(PenstockError, match="time zone"):
        store.record(happened(at=datetime(2030, 1, 1)))


def test_a_row_that_cannot_be_read_is_named_and_does_not_hide_the_others(
    database_url: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    create(store, "good")
    create(store, "odd")
    engine = sa.create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        broken = '{"description": "hunter2", "from_the_future": 1}'
        connection.execute(sa.text("UPDATE resources SET spec = :spec WHERE name = 'odd'"), {"spec": broken})
    engine.dispose()
    assert [r.name for r in store.list(ONLINE_ENDPOINT)] == ["good"]
    with pytest.raises(PenstockError, match=r"spec of online-endpoint 'odd'.*from_the_future") as error:
        store.get(ONLINE_ENDPOINT, "odd")
    assert error.value.code is Code.INTERNAL
    assert "hunter2" not in error.value.message + caplog.text


def test_a_second_process_sees_what_the_first_has_committed(database_url: str, store: Store) -> None:
    with closing(open_store(database_url)) as other:
        created = create(store)
        assert other.get(ONLINE_ENDPOINT, "fraud") == created
        outcomes = codes(
            [
                lambda s=s, n=n: s.update_spec(ONLINE_ENDPOINT, created, described(f"{n}"), happened(), "update")
                for n, s in enumerate([store, other] * 3)
            ]
        )
    assert outcomes == ["conflict"] * 5 + ["ok"]


def test_what_only_controllers_write_is_refused_once_the_lease_is_anothers(store: Store, fenced: Store) -> None:
    """As when a control plane was stopped in the middle of something and goes on after another has begun."""
    present = create(store)
    status = OnlineEndpointStatus(observed_generation=1)
    assert fenced.update_status(ONLINE_ENDPOINT, present, status) is None
    assert store.acquire_lease("controllers", "us", NOW, MINUTE)
    written = fenced.update_status(ONLINE_ENDPOINT, present, status)
    assert written is not None
    assert store.acquire_lease("controllers", "others", NOW + 2 * MINUTE, MINUTE)
    lease = store.lease("controllers")
    assert lease is not None
    assert (lease.holder, lease.expires_at) == ("others", NOW + 3 * MINUTE)
    assert fenced.update_status(ONLINE_ENDPOINT, written, OnlineEndpointStatus(observed_generation=2)) is None
    fenced.remove(ONLINE_ENDPOINT, written, happened())
    assert store.get(ONLINE_ENDPOINT, "fraud") == written


def a_write(name: str, present: Any, spec: OnlineEndpoint | None) -> Write:
    event = happened(name, reason="RolledBack" if spec else "Deleting", actor="bob@host")
    return Write(kind=ONLINE_ENDPOINT, name=name, present=present, spec=spec, event=event, action="rollback")


def test_writes_that_belong_together_are_all_made_with_their_history_and_events(store: Store) -> None:
    first, second = create(store, "first"), create(store, "second")
    writes = [
        a_write("first", first, described("back")),
        a_write("third", None, described("again")),
        a_write("second", second, None),
    ]
    changed, made, going = store.write_all(writes)
    assert (changed.generation, changed.spec, changed.created_at) == (2, described("back"), first.created_at)
    assert (made.generation, made.spec, made.status) == (1, described("again"), OnlineEndpointStatus())
    assert going.deleting_since == NOW
    for name, resource in (("first", changed), ("third", made), ("second", going)):
        assert store.get(ONLINE_ENDPOINT, name) == resource
    assert [(r.generation, r.action, r.actor) for r in store.history(ONLINE_ENDPOINT, "third")] == [
        (1, "rollback", "bob@host")
    ]
    assert [e.reason for e in store.events(after=2)] == ["RolledBack", "RolledBack", "Deleting"]


def test_of_writes_that_belong_together_none_is_made_if_one_comes_too_late(store: Store) -> None:
    first, second = create(store, "first"), create(store, "second")
    store.update_spec(ONLINE_ENDPOINT, second, described("newer"), happened("second"), "update")
    before = store.list(ONLINE_ENDPOINT), store.events(), store.history(ONLINE_ENDPOINT, "first")
    changed = a_write("first", first, described("back"))
    late = (
        a_write("second", second, described("back")),
        a_write("second", second, None),
        a_write("second", None, described("again")),
        a_write("nobody", None, None),
    )
    for each in late:
        with pytest.raises(PenstockError, match=each.name) as error:
            store.write_all([changed, a_write("new", None, described("new")), each])
        assert error.value.code is Code.CONFLICT
        assert (store.list(ONLINE_ENDPOINT), store.events(), store.history(ONLINE_ENDPOINT, "first")) == before
    assert store.write_all([]) == []


def test_of_many_that_roll_back_at_once_exactly_one_does(store: Store) -> None:
    read = create(store)
    outcomes = codes([lambda n=n: store.write_all([a_write("fraud", read, described(f"by {n}"))]) for n in range(6)])
    assert outcomes == ["conflict"] * 5 + ["ok"]


def test_resources_are_known_as_they_were_at_every_event(store: Store) -> None:
    def names_at(event: int) -> dict[str, str | None]:
        return {name: revision.spec.description for name, revision in store.as_of(ONLINE_ENDPOINT, event).items()}

    fraud = create(store, text="first")  # event 1
    create_deployment(store, "fraud/blue")  # 2
    changed = store.update_spec(ONLINE_ENDPOINT, fraud, described("second"), happened(), "update")  # 3
    create(store, "wine", "red")  # 4
    going = store.mark_deleting(ONLINE_ENDPOINT, changed, happened(reason="Deleting"))  # 5
    store.remove(ONLINE_ENDPOINT, going, happened(reason="Deleted"))  # 6
    create(store, text="another")  # 7
    assert [names_at(event) for event in range(9)] == [
        {},
        {"fraud": "first"},
        {"fraud": "first"},
        {"fraud": "second"},
        {"fraud": "second", "wine": "red"},
        {"wine": "red"},
        {"wine": "red"},
        {"fraud": "another", "wine": "red"},
        {"fraud": "another", "wine": "red"},
    ]
    assert list(store.as_of(ONLINE_DEPLOYMENT, 2)) == ["fraud/blue"]
    assert store.as_of(ONLINE_ENDPOINT, 3)["fraud"].generation == 2


def test_what_an_older_version_has_written_is_known_by_its_events(database_url: str) -> None:
    with closing(open_store(database_url)) as store:
        read = create(store, text="first")
        store.update_spec(ONLINE_ENDPOINT, read, described("second"), happened(at=NOW + MINUTE, generation=2), "update")
    engine = sa.create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP INDEX history_by_kind"))
        for column in ("kind", "name", "event"):
            connection.execute(sa.text(f"ALTER TABLE history DROP COLUMN {column}"))
        connection.execute(sa.text("UPDATE schema_version SET version = 1"))
    engine.dispose()
    with closing(open_store(database_url)) as store:
        known = [store.as_of(ONLINE_ENDPOINT, event)["fraud"].spec.description for event in (1, 2)]
    assert known == ["first", "second"]
