"""What every implementation of the model registry port holds to."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from penstock.domain.errors import Code, PenstockError
from penstock.domain.model import ModelType, ModelVersion
from penstock.domain.names import AssetReference
from penstock.registry.files import FileRegistry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path):
    return FileRegistry(tmp_path / "registry")


def a_version(version: str = "1", name: str = "fraud", **fields) -> ModelVersion:
    at = NOON + timedelta(minutes=int(version) if version.isdecimal() else 0)
    given = {"path": f"artifact:{'a' * 64}/m", "type": ModelType.CUSTOM, "created_at": at, "created_by": "ann"}
    return ModelVersion(name=name, version=version, **{**given, **fields})


def test_a_version_is_kept_and_found_again(registry, tmp_path):
    registered = registry.register(a_version(tags={"team": "risk"}))
    assert registry.resolve(AssetReference("fraud", "1")) == registered
    assert FileRegistry(tmp_path / "registry").versions() == [registered]


def test_the_same_again_returns_what_is_there(registry):
    first = registry.register(a_version())
    assert registry.register(a_version(created_at=NOON + timedelta(days=1), created_by="bob")) == first


def test_other_content_is_a_conflict_that_names_the_next_version(registry):
    registry.register(a_version("1"))
    registry.register(a_version("4"))
    with pytest.raises(PenstockError, match="next free version is 5") as caught:
        registry.register(a_version("1", path=f"artifact:{'b' * 64}/m"))
    assert caught.value.code is Code.CONFLICT


def test_versions_count_up_from_one(registry):
    assert registry.next_version("fraud") == "1"
    for version in ("2", "10", "beta"):
        registry.register(a_version(version))
    assert registry.next_version("fraud") == "11"
    assert registry.next_version("other") == "1"


def test_versions_are_listed_newest_first(registry):
    for version in ("9", "10", "2"):
        registry.register(a_version(version))
    registry.register(a_version("3", name="other"))
    assert [v.version for v in registry.versions("fraud")] == ["10", "9", "2"]
    assert [(v.name, v.version) for v in registry.versions()][2:] == [("other", "3"), ("fraud", "2")]


def test_latest_is_the_newest_that_is_not_archived(registry):
    for version in ("1", "2"):
        registry.register(a_version(version))
    assert registry.resolve(AssetReference("fraud")).version == "2"
    registry.archive("fraud", "2", archived=True)
    assert registry.resolve(AssetReference("fraud", label="latest")).version == "1"
    assert registry.resolve(AssetReference("fraud", "2")).archived
    assert not registry.archive("fraud", "2", archived=False).archived
    assert registry.resolve(AssetReference("fraud")).version == "2"


def test_what_is_not_registered_is_said_with_what_is(registry):
    with pytest.raises(PenstockError, match="'fraud' is not registered"):
        registry.resolve(AssetReference("fraud", "1"))
    registry.register(a_version("3"))
    with pytest.raises(PenstockError, match="there are 3") as caught:
        registry.resolve(AssetReference("fraud", "4"))
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(PenstockError, match="there are 3"):
        registry.archive("fraud", "4", archived=True)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "*", "a" * 256])
def test_hostile_names_are_refused(registry, name):
    for call in (
        lambda: registry.register(a_version(name=name)),
        lambda: registry.register(a_version(version=name)),
        lambda: registry.versions(name),
        lambda: registry.archive(name, "1", archived=True),
    ):
        with pytest.raises(PenstockError) as caught:
            call()
        assert caught.value.code is Code.INVALID


def test_of_two_writers_of_a_version_one_wins(registry):
    outcomes: list[str] = []

    def write(letter: str) -> None:
        try:
            outcomes.append(registry.register(a_version(path=f"artifact:{letter * 64}/m")).path)
        except PenstockError as err:
            outcomes.append(err.code)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Code.CONFLICT) == 5
    assert registry.resolve(AssetReference("fraud", "1")).path in outcomes
