"""What every store does, on SQLite and on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from support.storing import MINUTE, NOW, codes, create, create_deployment, described, happened

from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpointStatus
from penstock.domain.errors import Code, PenstockError
from penstock.domain.resource import Condition, Key, Truth
from penstock.store.base import Store
from penstock.store.sql import open_store


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


def test_the_newest_come_first_and_older_ones_are_read_only_when_they_are_asked_for(store: Store) -> None:
    for number in range(450):
        at = NOW + timedelta(seconds=number // 2)  # two at a time
        store.create(ONLINE_ENDPOINT, f"e{number:03d}", described(""), happened(f"e{number:03d}", at=at))
    create_deployment(store, "e9/other")
    assert [r.name for r in store.newest(ONLINE_ENDPOINT)] == [f"e{number:03d}" for number in reversed(range(450))]
    found = store.newest(ONLINE_ENDPOINT)
    assert next(found).name == "e449"
    oldest = store.get(ONLINE_ENDPOINT, "e000")
    assert oldest is not None
    store.remove(ONLINE_ENDPOINT, oldest, happened("e000"))
    assert len(list(found)) == 448


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
