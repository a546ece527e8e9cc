"""Registered environments: versions, what may be said of them, and the archive."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.control.resources import Change, Resources
from penstock.domain.asset import AssetChange
from penstock.domain.environment import Environment
from penstock.domain.errors import Code, PenstockError
from penstock.preparation.environments import environment_versions
from penstock.preparation.versions import Registered
from penstock.store.sql import open_store
from penstock.testing.clock import ManualClock


class World:
    def __init__(self, resources: Resources, clock: ManualClock) -> None:
        self.resources = resources
        self.versions = environment_versions(resources)
        self.clock = clock

    def register(self, *lines: str, **fields: object) -> tuple[str, Change]:
        self.clock.advance(timedelta(seconds=1))
        environment = Environment.model_validate({"name": "sk", "requirements": lines, **fields})
        resource, change = self.versions.register(environment, actor="ann")
        return resource.spec.version or "", change

    def found(self, version: str | None = None) -> Registered[Environment]:
        return self.versions.find("sk", version)

    def archive(self, version: str, archived: bool = True) -> None:
        self.versions.archive(self.found(version), archived=archived, actor="ann", now=self.clock.now())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = ManualClock()
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        yield World(Resources(store, clock, lambda _: None), clock)


def test_versions_count_up_and_the_same_content_adds_none(world):
    assert world.register("six") == ("1", Change.CREATED)
    assert world.register("six") == ("1", Change.UNCHANGED)
    assert world.register("idna") == ("2", Change.CREATED)
    assert world.register("six", version="nightly") == ("nightly", Change.CREATED)
    assert world.found().spec.version == "nightly"


def test_other_content_under_a_version_is_refused_with_the_next_one(world):
    world.register("six", version="1")
    with pytest.raises(PenstockError, match="register it as version '2'") as caught:
        world.register("idna", version="1")
    assert caught.value.code is Code.CONFLICT


def test_what_is_said_of_a_version_may_change_and_stays_if_nothing_is_said(world):
    world.register("six", description="first", tags={"a": "b"})
    assert world.register("six") == ("1", Change.UNCHANGED)
    assert world.register("six", description="second") == ("1", Change.UPDATED)
    assert (world.found().spec.description, world.found().spec.tags) == ("second", {"a": "b"})
    world.versions.change(world.found(), AssetChange(tags={}), actor="ann")
    assert (world.found().spec.description, world.found().spec.tags) == ("second", {})
    world.versions.change(world.found(), AssetChange(description=None), actor="ann")
    assert world.found().spec.description is None


def test_an_archived_version_is_hidden_and_not_the_latest_and_stays_deployable(world):
    world.register("six")
    world.register("idna")
    world.archive("2")
    assert world.found().spec.version == "1"
    assert world.found("2").status.archived
    assert [e.name for e in world.versions.list("sk", archived=False)] == ["sk:1"]
    assert [e.name for e in world.versions.list()] == ["sk:2", "sk:1"]
    world.archive("1")
    with pytest.raises(PenstockError, match="all versions of environment 'sk' are archived"):
        world.found()
    world.archive("2", archived=False)
    assert world.found().spec.version == "2"


def test_archiving_twice_is_archiving_once_and_is_recorded(world):
    world.register("six")
    stale = world.found("1")
    world.versions.change(stale, AssetChange(description="meanwhile"), actor="bob")
    for _ in range(2):
        world.versions.archive(stale, archived=True, actor="ann", now=world.clock.now())
    events = [(event.reason, event.actor) for event in world.resources.events()]
    assert events == [("Created", "ann"), ("SpecChanged", "bob"), ("Archived", "ann")]
    assert world.found("1").spec.description == "meanwhile"


def test_an_environment_that_is_not_there_is_named_with_the_remedy(world):
    with pytest.raises(PenstockError, match="'sk:9' is not registered; see"):
        world.found("9")
