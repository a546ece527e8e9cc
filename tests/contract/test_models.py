"""Registered models: registering, files on their way, and a registry that is down."""

import hashlib
from datetime import UTC, datetime

import pytest
from support.running import wait_until

from penstock.artifacts.files import FileArtifacts
from penstock.domain.artifact import ArtifactReference, Entry, Tree
from penstock.domain.errors import Code, PenstockError
from penstock.domain.model import Model, ModelType, ModelVersion
from penstock.domain.names import AssetReference
from penstock.preparation.models import Models
from penstock.registry.base import Bytes
from penstock.registry.known import KnownVersions
from penstock.testing.registry import FakeRegistry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MLMODEL = b"flavors:\n  sklearn:\n    sklearn_version: 1.5.2\n"


class Desk:
    """Models on a registry in memory and artifacts in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.registry = FakeRegistry()
        self.artifacts = FileArtifacts(folder / "artifacts")
        self.restart()

    def restart(self):
        self.models = Models(self.registry, self.registry, self.artifacts, KnownVersions(self.folder / "known"))

    def upload(self, files: dict[str, bytes], folder: str = "model") -> str:
        entries = []
        for path, data in files.items():
            digest = hashlib.sha256(data).hexdigest()
            self.artifacts.put_blob(digest, [data])
            entries.append(Entry(path=f"{folder}/{path}", sha256=digest, size=len(data)))
        return str(ArtifactReference(self.artifacts.put_tree(Tree(entries=tuple(entries))), folder))

    def create(self, path: str, name: str = "fraud", **fields) -> ModelVersion:
        return self.models.register(Model(name=name, path=path, **fields), at=NOON, actor="ann")

    def log(self, files: dict[str, bytes]) -> str:
        """What training code does with MLflow's own client: a model that the platform has never seen."""
        content = {path: Bytes(len(data), lambda data=data: iter([data])) for path, data in files.items()}
        return self.registry.store(hashlib.sha256(repr(files).encode()).hexdigest(), "model", content).uri


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.models.close()


def test_the_type_is_told_from_the_files(desk):
    kinds = {
        "mlflow": {"MLmodel": MLMODEL},
        "triton": {"resnet/config.pbtxt": b"", "resnet/1/model.onnx": b"onnx"},
        "custom": {"weights.pkl": b"x"},
    }
    for name, files in kinds.items():
        assert desk.create(desk.upload(files), name=name).type == f"{name}_model"
    assert desk.models.get(AssetReference("mlflow")).flavors == {"sklearn": {"sklearn_version": "1.5.2"}}


def test_the_same_again_adds_no_version_and_stores_nothing(desk):
    path = desk.upload({"weights.pkl": b"x"})
    first = desk.create(path)
    assert desk.create(path) == first
    assert desk.create(path, version="1") == first
    assert desk.create(path, name="other").version == "1"
    assert desk.registry.stored == 1


def test_a_model_that_training_code_has_logged_is_registered_from_its_place(desk):
    uri = desk.log({"MLmodel": MLMODEL})
    registered = desk.create(uri)
    assert desk.create(uri) == registered
    copy = desk.create("models:/fraud/1", name="copy")
    assert copy.lineage.parent == "fraud:1"


def test_files_are_fetched_once_and_then_known_without_the_registry(desk):
    desk.create(desk.log({"MLmodel": MLMODEL, "data/x.bin": b"abc"}))
    reference = AssetReference("fraud", "1")
    with pytest.raises(PenstockError, match="being fetched") as caught:
        desk.models.placed(reference)
    assert caught.value.code is Code.UNAVAILABLE
    fetched = desk.models.fetch(reference)
    assert fetched.type is ModelType.MLFLOW
    desk.registry.down = True
    desk.restart()
    placed = desk.models.placed(reference)
    assert desk.artifacts.read(placed.path.split(":")[1].split("/")[0], "model/data/x.bin") == b"abc"


def test_a_registry_that_is_down_is_waited_for(desk):
    desk.create(desk.log({"MLmodel": MLMODEL}))
    desk.registry.down = True
    reference = AssetReference("fraud", "1")
    assert desk.models.pinned(reference) == reference
    with pytest.raises(PenstockError) as caught:
        desk.models.pinned(AssetReference("fraud"))
    assert caught.value.code is Code.UNAVAILABLE
    with pytest.raises(PenstockError):
        desk.models.placed(reference)
    desk.registry.down = False
    wait_until(lambda: _placed(desk.models, reference))


def test_a_version_that_is_registered_later_is_found_then(desk):
    with pytest.raises(PenstockError) as caught:
        desk.models.fetch(AssetReference("fraud", "1"))
    assert caught.value.code is Code.NOT_FOUND
    desk.create(desk.upload({"weights.pkl": b"x"}))
    assert desk.models.fetch(AssetReference("fraud", "1")).version == "1"


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"name": None, "path": "artifact:" + "a" * 64 + "/m"}, "no name"),
        ({"path": "./local"}, "not understood"),
        ({"path": "runs:/abc/../../etc"}, "not understood"),
        ({"path": "models:/m-" + "0" * 32}, "logged no model"),
    ],
    ids=["no name", "a path that was not uploaded", "a path that leaves the run", "a model that is not there"],
)
def test_faulty_models_are_refused(desk, fields, match):
    with pytest.raises(PenstockError, match=match):
        desk.models.register(Model(**{"name": "fraud", **fields}), at=NOON, actor="ann")


def test_a_type_that_the_files_are_not_is_refused(desk):
    with pytest.raises(PenstockError, match="no MLmodel file"):
        desk.create(desk.upload({"weights.pkl": b"x"}), type=ModelType.MLFLOW)


def _placed(models: Models, reference: AssetReference) -> bool:
    try:
        return models.placed(reference).version == reference.version
    except PenstockError:
        return False
