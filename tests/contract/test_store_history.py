"""What every store does with writes that belong together, and what it knows of how resources were."""

from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from support.storing import MINUTE, NOW, codes, create, create_deployment, described, happened

from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.errors import Code, PenstockError
from penstock.store.base import Store, Write
from penstock.store.sql import open_store


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
