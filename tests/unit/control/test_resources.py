"""Applying, deleting and reading resources, as users and controllers do."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from penstock.control.resources import Change, Resources
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.errors import Code, PenstockError
from penstock.domain.resource import Key
from penstock.store.sql import SqlStore, open_store
from penstock.testing.clock import ManualClock


class World:
    """Resources on a database of their own, and the keys that they enqueued."""

    def __init__(self, store: SqlStore) -> None:
        self.keys: list[Key] = []
        self.store = store
        self.resources = Resources(store, ManualClock(), self.keys.append)

    def apply(self, name: str = "fraud", actor: str = "alice@host", **options: Any):
        spec = options.pop("spec", None) or OnlineEndpoint(description=options.pop("text", "first"))
        return self.resources.apply(ONLINE_ENDPOINT, name, spec, actor=actor, **options)

    def log(self) -> list[tuple[str, str, int, str]]:
        return [(e.reason, e.actor, e.generation, e.message) for e in self.resources.events()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        yield World(store)


def refused(world: World, **options: Any) -> PenstockError:
    before = world.log(), len(world.keys)
    with pytest.raises(PenstockError) as error:
        world.apply(**options)
    assert error.value.code is Code.CONFLICT
    assert (world.log(), len(world.keys)) == before
    return error.value


def test_apply_creates_updates_or_leaves_alone_and_enqueues_only_writes(world: World) -> None:
    key = Key("online-endpoint", "fraud")
    created, change = world.apply()
    assert (change, created.generation, world.keys) == (Change.CREATED, 1, [key])
    same, change = world.apply()
    assert (change, same, world.keys) == (Change.UNCHANGED, created, [key])
    updated, change = world.apply(text="second", actor="bob@host")
    assert (change, updated.generation, world.keys) == (Change.UPDATED, 2, [key, key])
    assert world.log() == [
        ("Created", "alice@host", 1, "online-endpoint 'fraud' was created"),
        ("SpecChanged", "bob@host", 2, "changed description: first -> second"),
    ]
    history = world.resources.history(ONLINE_ENDPOINT, "fraud")
    assert [(r.action, r.actor) for r in history] == [("update", "bob@host"), ("create", "alice@host")]


def test_a_field_that_is_never_stored_is_no_difference(world: World) -> None:
    spec = OnlineEndpoint.model_validate({"$schema": "https://example/endpoint.json", "description": "x"})
    world.apply(spec=spec)
    assert world.apply(spec=spec)[1] is Change.UNCHANGED


def test_the_caller_may_say_what_happened(world: World) -> None:
    world.apply()
    world.apply(text="second", action="rollback", event=("RolledBack", "back to generation 1"))
    assert world.log()[1] == ("RolledBack", "alice@host", 2, "back to generation 1")
    assert world.resources.history(ONLINE_ENDPOINT, "fraud")[0].action == "rollback"


def test_an_edit_of_an_older_generation_is_told_what_changed_meanwhile_and_by_whom(world: World) -> None:
    world.apply(spec=OnlineEndpoint(traffic={"blue": 100}))
    world.apply(spec=OnlineEndpoint(traffic={"blue": 90, "green": 10}), actor="bob@host")
    world.apply(spec=OnlineEndpoint(traffic={"blue": 80, "green": 20}), actor="eve@host", generation=2)
    error = refused(world, text="mine", generation=1)
    assert error.message == (
        "online-endpoint 'fraud' was changed by bob@host, eve@host since generation 1 "
        "(traffic.blue: 100 -> 80, traffic.green: (none) -> 20); get it again and repeat the change"
    )
    assert error.details == {
        "traffic.blue": "traffic.blue: 100 -> 80",
        "traffic.green": "traffic.green: (none) -> 20",
        "changed_by": "bob@host, eve@host",
    }


def test_what_must_be_new_must_not_exist_and_what_is_edited_must(world: World) -> None:
    assert "does not exist any more" in refused(world, generation=3).message
    assert world.apply(generation=0)[1] is Change.CREATED
    assert "exists already, written by alice@host" in refused(world, text="other", generation=0).message


def test_a_request_that_is_sent_twice_is_no_conflict(world: World) -> None:
    world.apply(generation=0)
    assert world.apply(generation=0)[1] is Change.UNCHANGED
    world.apply(text="second", generation=1)
    assert world.apply(text="second", generation=1)[1] is Change.UNCHANGED


def test_no_secret_gets_into_events_or_conflicts(world: World) -> None:
    def with_token(value: str, generation: int | None = None) -> None:
        spec = OnlineDeployment(model="azureml:m:1", environment_variables={"TOKEN": value})
        world.resources.apply(ONLINE_DEPLOYMENT, "fraud/blue", spec, actor="alice", generation=generation)

    with_token("hunter1")
    with_token("hunter2")
    with pytest.raises(PenstockError) as error:
        with_token("hunter3", generation=1)
    assert error.value.details["environment_variables.TOKEN"] == "environment_variables.TOKEN"
    assert world.log()[1][3] == "changed environment_variables.TOKEN"
    assert "hunter" not in repr((world.log(), error.value.message, error.value.details))


def test_deletion_is_marked_once_blocks_edits_and_ends_with_removal(world: World) -> None:
    assert world.resources.delete(ONLINE_ENDPOINT, "fraud", actor="bob") is None
    world.apply()
    marked = world.resources.delete(ONLINE_ENDPOINT, "fraud", actor="bob")
    assert marked is not None
    assert marked.deleting_since is not None
    assert world.resources.delete(ONLINE_ENDPOINT, "fraud", actor="eve") == marked
    assert "is being deleted" in refused(world).message
    world.resources.remove(ONLINE_ENDPOINT, marked)
    assert [(reason, actor) for reason, actor, *_ in world.log()] == [
        ("Created", "alice@host"),
        ("Deleting", "bob"),
        ("Deleted", "penstock"),
    ]
    assert world.resources.find(ONLINE_ENDPOINT, "fraud") is None
    assert world.apply()[1] is Change.CREATED


def test_a_missing_resource_is_named_with_its_nearest_neighbour(world: World) -> None:
    world.apply("fraud")
    for read in (world.resources.get, world.resources.history):
        with pytest.raises(PenstockError, match="'frued' does not exist; did you mean 'fraud'") as error:
            read(ONLINE_ENDPOINT, "frued")
        assert error.value.code is Code.NOT_FOUND
    with pytest.raises(PenstockError, match='"penstock online-deployment list" shows'):
        world.resources.get(ONLINE_DEPLOYMENT, "fraud/blue")


def test_a_status_is_guarded_and_enqueues_nothing(world: World) -> None:
    created, _ = world.apply()
    status = OnlineEndpointStatus(observed_generation=1)
    assert world.resources.set_status(ONLINE_ENDPOINT, created, status) is not None
    assert world.resources.set_status(ONLINE_ENDPOINT, created, status) is None
    world.resources.record("online-endpoint", "fraud", "GatewayReloaded", "a new deployment")
    assert world.log()[-1] == ("GatewayReloaded", "penstock", 0, "a new deployment")
    assert len(world.keys) == 1


def test_without_a_precondition_all_writers_get_through_and_with_one_only_the_first(world: World) -> None:
    world.apply()
    barrier = threading.Barrier(6)

    def edit(number: int, generation: int | None) -> str:
        barrier.wait()
        try:
            return world.apply(text=f"by {number}", generation=generation)[1]
        except PenstockError as err:
            return err.code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda n: edit(n, None), range(6))) == {"updated"}
        outcomes = sorted(pool.map(lambda n: edit(10 + n, 7), range(6)))
    assert outcomes == ["conflict"] * 5 + ["updated"]
    assert world.resources.get(ONLINE_ENDPOINT, "fraud").generation == 8
