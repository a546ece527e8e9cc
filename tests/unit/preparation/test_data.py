"""Registered data: versions, what may be said of them, and the archive."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.control.resources import Change, Resources
from penstock.domain.asset import AssetChange
from penstock.domain.data import Data
from penstock.domain.errors import Code, PenstockError
from penstock.preparation.data import check_data, data_versions, find_data
from penstock.storage.anywhere import Anywhere
from penstock.storage.connections import Connection
from penstock.store.sql import open_store
from penstock.testing.clock import ManualClock

HERE = Anywhere(lambda name: Connection("s3", name), lambda reference: Data(path=f"/{reference.name}"))


class World:
    def __init__(self, resources: Resources, clock: ManualClock) -> None:
        self.resources = resources
        self.clock = clock

    def register(self, path: str, **fields: object) -> tuple[str, Change]:
        self.clock.advance(timedelta(seconds=1))
        data = Data.model_validate({"name": "sales", "path": path, **fields})
        resource, change = data_versions(self.resources).register(data, actor="ann")
        return resource.spec.version or "", change


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = ManualClock()
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        yield World(Resources(store, clock, lambda _: None), clock)


def test_versions_count_up_and_the_same_path_adds_none(world):
    assert world.register("/a") == ("1", Change.CREATED)
    assert world.register("/a") == ("1", Change.UNCHANGED)
    assert world.register("/a", description="d") == ("1", Change.UPDATED)
    assert world.register("/b") == ("2", Change.CREATED)
    assert world.register("/b", type="uri_file") == ("3", Change.CREATED)
    assert [data.name for data in data_versions(world.resources).list()] == ["sales:3", "sales:2", "sales:1"]


def test_a_version_never_refers_to_something_else(world):
    world.register("/a", version=1)
    with pytest.raises(PenstockError, match="refers to /a, and versions never change: register it as version '2'"):
        world.register("/b", version="1")


def test_latest_passes_over_what_is_archived(world):
    world.register("/a")
    world.register("/b")
    found = find_data(world.resources, "sales", "2")
    data_versions(world.resources).archive(found, archived=True, actor="ann", now=world.clock.now())

    assert find_data(world.resources, "sales", None).name == "sales:1"
    assert find_data(world.resources, "sales", "2").status.archived
    changed, _ = data_versions(world.resources).change(
        find_data(world.resources, "sales", "1"), AssetChange(tags={}), actor="ann"
    )
    assert changed.spec.path == "/a"
    with pytest.raises(PenstockError, match="is not registered"):
        find_data(world.resources, "sales", "4")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"path": "relative"}, Code.INVALID),
        ({"path": "azureml:other:1"}, Code.INVALID),
        ({"path": "ftp://host/a"}, Code.INVALID),
        ({"path": "/no/such/place"}, Code.NOT_FOUND),
        ({"path": "/", "type": "uri_file"}, Code.INVALID),
    ],
)
def test_paths_that_nothing_can_be_read_at_are_refused(fields, code):
    with pytest.raises(PenstockError) as caught:
        check_data(HERE, Data(name="sales", **fields))
    assert caught.value.code is code


def test_globs_are_looked_for_up_to_their_first_star(tmp_path):
    check_data(HERE, Data(name="sales", path=f"{tmp_path}/*.csv"))
