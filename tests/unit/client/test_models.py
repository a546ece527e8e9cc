"""Versions on their way out of one platform and into another."""

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.client.address import Address
from penstock.client.artifacts import Artifacts
from penstock.client.models import Models, copy_of
from penstock.client.transport import Transport
from penstock.domain.artifact import Entry, Tree
from penstock.domain.errors import Code, PenstockError
from penstock.domain.model import Lineage, ModelType, ModelVersion

CONTENT = b"weights" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TREE = Tree(entries=(Entry(path="model/weights", sha256=DIGEST, size=len(CONTENT)),))
VERSION = ModelVersion(
    name="fraud",
    version="3",
    path=f"artifact:{TREE.digest()}/model",
    type=ModelType.CUSTOM,
    tags={"owner": "ann"},
    aliases=("champion",),
    lineage=Lineage(job="r1", git_commit="abc", parent="fraud:2"),
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    created_by="ann",
)


class Platform:
    """A stand-in that has blobs, trees, and what was registered with it."""

    def __init__(self, blobs: dict[str, bytes], trees: dict[str, str]) -> None:
        self.blobs, self.trees = blobs, trees
        self.registered: list[dict[str, Any]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        path, name, body = request.url.path, request.url.path.rpartition("/")[2], request.read()
        match request.method, path.removeprefix("/api/v1/").split("/")[:2]:
            case "GET", ["artifacts", "trees"]:
                return httpx.Response(200, text=self.trees[name])
            case "GET", ["artifacts", "blobs"]:
                return httpx.Response(200, content=iter([self.blobs[name]]))
            case "PUT", ["artifacts", "trees"]:
                self.trees[name] = body.decode()
            case "PUT", ["artifacts", "blobs"]:
                self.blobs[name] = body
            case "POST", ["artifacts", "missing"]:
                missing = [digest for digest in json.loads(body)["digests"] if digest not in self.blobs]
                return httpx.Response(200, json={"missing": missing})
            case "POST", ["models"]:
                self.registered.append(json.loads(body))
                return httpx.Response(200, text=VERSION.model_dump_json())
            case "POST", ["models", _]:
                return httpx.Response(200, text=VERSION.model_dump_json())
        return httpx.Response(204)


@contextmanager
def client(platform: Platform) -> Generator[Models]:
    transport = Transport(Address("http://127.0.0.1:1", None), http=httpx.MockTransport(platform.answer))
    try:
        yield Models(transport, Artifacts(transport))
    finally:
        transport.close()


@pytest.fixture
def here() -> Platform:
    return Platform({DIGEST: CONTENT}, {TREE.digest(): TREE.model_dump_json()})


@pytest.fixture
def there() -> Platform:
    return Platform({}, {})


def test_a_version_goes_through_an_archive_with_its_lineage(here: Platform, there: Platform, tmp_path: Path) -> None:
    with client(here) as source, client(there) as target:
        file = tmp_path / "fraud.tar.zst"
        source.export("fraud", "3", file)
        assert [path.name for path in tmp_path.iterdir()] == ["fraud.tar.zst"]
        target.import_archive(file)
    assert there.blobs == here.blobs
    assert list(there.trees) == list(here.trees)
    sent = there.registered[0]
    assert {key: sent[key] for key in ("name", "version", "tags", "type")} == {
        "name": "fraud",
        "version": "3",
        "tags": {"owner": "ann"},
        "type": "custom_model",
    }
    assert sent["lineage"] == {"job": "r1", "git_commit": "abc", "data": [], "parent": "fraud:2"}


def test_sharing_sends_only_what_the_other_lacks(here: Platform, there: Platform) -> None:
    told: list[tuple[int, int]] = []
    with client(here) as source, client(there) as target:
        for _ in range(2):
            share = {"as_name": "fraud-eu", "as_version": "1", "on_bytes": lambda *so_far: told.append(so_far)}
            source.share("fraud", "3", target, **share)
    assert there.blobs == here.blobs
    assert told == [(len(CONTENT), len(CONTENT))]
    assert [(sent["name"], sent["version"]) for sent in there.registered] == [("fraud-eu", "1")] * 2


def test_a_harmed_archive_registers_nothing(here: Platform, there: Platform, tmp_path: Path) -> None:
    with client(here) as source, client(there) as target:
        file = tmp_path / "fraud.tar.zst"
        source.export("fraud", "3", file)
        file.write_bytes(file.read_bytes()[:-40])
        with pytest.raises(PenstockError, match=r"fraud\.tar\.zst is not a whole archive"):
            target.import_archive(file)
    assert (there.blobs, there.trees, there.registered) == ({}, {}, [])


def test_an_export_that_breaks_leaves_what_was_there(here: Platform, tmp_path: Path) -> None:
    file = tmp_path / "fraud.tar.zst"
    file.write_text("an earlier one")
    here.blobs[DIGEST] = b"damaged"
    with client(here) as source:
        with pytest.raises(PenstockError, match="arrived damaged"):
            source.export("fraud", "3", file)
        with pytest.raises(PenstockError, match=r"cannot be written: No such file") as raised:
            source.export("fraud", "3", tmp_path / "none" / "x.tar.zst")
    assert raised.value.code is Code.INVALID
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("fraud.tar.zst", "an earlier one")]


def test_a_tree_that_is_another_one_is_refused(here: Platform) -> None:
    other = Tree(entries=(Entry(path="model/evil", sha256=DIGEST, size=len(CONTENT)),))
    here.trees[TREE.digest()] = other.model_dump_json()
    with client(here) as source, pytest.raises(PenstockError, match="answered with another tree"):
        source.fetch("fraud", "3")


def test_a_copy_under_its_own_name_has_the_same_parent_and_under_another_one_is_a_child() -> None:
    same, renamed = copy_of(VERSION, name=None, version=None), copy_of(VERSION, name="eu", version=None)
    assert same.lineage == VERSION.lineage
    assert renamed.lineage == Lineage(job="r1", git_commit="abc", parent="fraud:3")
    assert (renamed.name, renamed.version, renamed.path) == ("eu", "3", VERSION.path)
