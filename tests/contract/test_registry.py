"""What every implementation of the registry's two ports holds to: versions, and the files of models."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from support.ports import free_port
from support.registry import mlflow_command
from support.running import wait_until

from penstock.domain.errors import Code, PenstockError
from penstock.domain.model import Lineage, ModelChange, ModelType, ModelVersion
from penstock.domain.names import AssetReference
from penstock.registry.base import Bytes, Source
from penstock.registry.files import MlflowFiles
from penstock.registry.mlflow import MlflowRegistry
from penstock.registry.places import LoggedModel, RunOutput
from penstock.registry.rest import MlflowRest
from penstock.testing.registry import FakeRegistry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH = f"artifact:{'a' * 64}/model"


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory):
    """A real MLflow server, as the platform runs it."""
    folder = tmp_path_factory.mktemp("mlflow")
    port = free_port()
    command = [str(mlflow_command()), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    variables = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--static-prefix", "/mlflow"],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}/mlflow"
    try:
        wait_until(lambda: _healthy(url))
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


@pytest.fixture(params=["memory", "mlflow"])
def registry(request):
    """Both ports in one object, or two objects over one server."""
    if request.param == "memory":
        yield FakeRegistry()
        return
    rest = MlflowRest(lambda: request.getfixturevalue("mlflow_url"))
    try:
        yield Both(MlflowRegistry(rest), MlflowFiles(rest))
    finally:
        rest.close()


class Both:
    def __init__(self, versions, files):
        self._parts = (versions, files)

    def __getattr__(self, name):
        return next(getattr(part, name) for part in self._parts if hasattr(part, name))


@pytest.fixture
def name() -> str:
    return f"fraud{uuid.uuid4().hex[:8]}"


@pytest.fixture
def source(registry, name) -> Source:
    return registry.store(f"{name}/model", "model", content("flavors: {}"))


def content(mlmodel: str) -> dict[str, Bytes]:
    texts = {"MLmodel": mlmodel.encode(), "data/weights.bin": bytes(range(256)) * 1000}
    return {path: Bytes(len(data), lambda data=data: iter([data[:100], data[100:]])) for path, data in texts.items()}


def a_version(name: str, version: str = "", **fields) -> ModelVersion:
    given = {"path": PATH, "type": ModelType.MLFLOW, "created_at": NOON, "created_by": "ann", **fields}
    return ModelVersion(name=name, version=version, **given)


def test_what_is_said_of_a_version_is_kept(registry, name, source):
    said = {
        "description": "the first",
        "tags": {"team": "risk"},
        "properties": {"auc": "0.9"},
        "flavors": {"sklearn": {"sklearn_version": "1.5"}},
        "stage": "Production",
        "lineage": Lineage(git_commit="abc", parent="base:1"),
    }
    registered = registry.register(a_version(name, **said), source)
    assert (registered.version, registered.uri) == ("1", f"models:/{name}/1")
    found = registry.resolve(AssetReference(name, "1"))
    assert found == registered
    assert found.model_dump(include=set(said)) == ModelVersion(**{**found.model_dump(), **said}).model_dump(
        include=set(said)
    )


def test_versions_count_up_and_the_newest_is_the_latest(registry, name, source):
    for _ in range(2):
        registry.register(a_version(name), source)
    assert [v.version for v in registry.versions(name)] == ["2", "1"]
    assert registry.resolve(AssetReference(name)).version == "2"
    assert registry.resolve(AssetReference(name, label="latest")).version == "2"


def test_a_given_version_is_the_one_that_there_is(registry, name, source):
    assert registry.register(a_version(name, "7"), source).uri == f"models:/{name}/7"
    assert registry.register(a_version(name), source).version == "8"
    assert [v.version for v in registry.versions(name)] == ["8", "7"]


def test_a_version_may_have_a_name(registry, name, source):
    registry.register(a_version(name, "2026-01.rc1"), source)
    assert registry.resolve(AssetReference(name, "2026-01.rc1")).uri == f"models:/{name}/1"
    assert registry.resolve(AssetReference(name, "1")).version == "2026-01.rc1"


@pytest.mark.parametrize("version", ["3", "2", "named"])
def test_a_taken_version_is_a_conflict_that_names_the_next(registry, name, source, version):
    registry.register(a_version(name, "3"), source)
    registry.register(a_version(name, "named"), source)
    with pytest.raises(PenstockError, match="next free one is 5") as caught:
        registry.register(a_version(name, version), source)
    assert caught.value.code is Code.CONFLICT


def test_archived_versions_are_not_the_latest_but_can_be_had(registry, name, source):
    for _ in range(2):
        registry.register(a_version(name), source)
    registry.note(registry.resolve(AssetReference(name, "2")).model_copy(update={"archived": True}))
    assert registry.resolve(AssetReference(name)).version == "1"
    assert registry.resolve(AssetReference(name, "2")).archived


def test_an_alias_moves_and_other_words_change(registry, name, source):
    first = registry.register(a_version(name, tags={"old": "1", "kept": "1"}), source)
    changed = registry.change(first, ModelChange(aliases=("champion",), tags={"kept": "2"}, description="new"))
    assert (changed.tags, changed.description, changed.aliases) == ({"kept": "2"}, "new", ("champion",))
    assert registry.resolve(AssetReference(name, label="champion")).version == "1"
    assert registry.change(changed, ModelChange(aliases=())).aliases == ()
    with pytest.raises(PenstockError):
        registry.resolve(AssetReference(name, label="champion"))


@pytest.mark.parametrize("wanted", [("2", None), (None, "champion"), ("red", None)])
def test_what_is_not_there_is_told_with_what_is(registry, name, source, wanted):
    registry.register(a_version(name), source)
    with pytest.raises(PenstockError, match="there are 1") as caught:
        registry.resolve(AssetReference(name, *wanted))
    assert caught.value.code is Code.NOT_FOUND


def test_content_is_stored_once_and_read_back(registry, name, source):
    assert source.type is ModelType.MLFLOW
    assert registry.store(f"{name}/model", "model", content("flavors: {}")).uri == source.uri
    version = registry.register(a_version(name), source)
    files = {file.path: file for file in registry.files(version)}
    assert set(files) == {"model/MLmodel", "model/data/weights.bin"}
    assert b"".join(registry.read(files["model/data/weights.bin"])) == bytes(range(256)) * 1000
    assert files["model/MLmodel"].size == len("flavors: {}")


def test_a_model_that_is_one_file_keeps_its_name(registry, name):
    source = registry.store(f"{name}/model.v1.pkl", "model.v1.pkl", {"model.v1.pkl": content("x")["MLmodel"]})
    found = registry.files(registry.register(a_version(name, path=""), source))
    assert [file.path for file in found] == ["model.v1.pkl"]


def test_content_that_broke_off_is_never_used(registry, name):
    def breaks() -> Iterator[bytes]:
        yield b"half"
        raise OSError("the reader died")

    whole = content("flavors: {}")
    with pytest.raises(OSError, match="died"):
        registry.store(f"{name}/model", "model", {**whole, "later": Bytes(8, breaks)})
    version = registry.register(a_version(name), registry.store(f"{name}/model", "model", whole))
    assert {file.path for file in registry.files(version)} == {"model/MLmodel", "model/data/weights.bin"}


def test_a_logged_model_and_another_version_can_be_registered(registry, name, source):
    assert source.model_id is not None
    again = registry.locate(LoggedModel(source.model_id))
    assert (again.uri, again.type) == (source.uri, ModelType.MLFLOW)
    first = registry.register(a_version(name, path=""), again)
    assert first.path == first.uri
    copy = registry.register(a_version(f"{name}-copy", path=""), Source(uri=first.uri))
    assert registry.files(copy) == registry.files(first)


@pytest.mark.parametrize("place", [RunOutput("0" * 32, "model"), LoggedModel("m-" + "0" * 32)])
def test_places_that_are_not_there_are_not_found(registry, place):
    with pytest.raises(PenstockError) as caught:
        registry.locate(place)
    assert caught.value.code is Code.NOT_FOUND


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.HTTPError:
        return False


def test_a_server_that_is_gone_is_unavailable_and_says_when_to_try_again(tmp_path: Path):
    rest = MlflowRest(lambda: "http://127.0.0.1:9/mlflow")
    with pytest.raises(PenstockError) as caught:
        MlflowRegistry(rest).versions()
    rest.close()
    assert caught.value.code is Code.UNAVAILABLE
    assert caught.value.details["retry_after"]
