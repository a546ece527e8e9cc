"""Folders are sent once: what the platform has stays where it is."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from penstock.client.address import Address
from penstock.client.artifacts import Artifacts
from penstock.client.transport import Transport
from penstock.domain.artifact import Entry, Tree
from penstock.domain.errors import Code, PenstockError


@dataclass(frozen=True)
class Folder:
    tree: Tree
    files: Mapping[str, Path]
    reference: str = "artifact:x/y"


def a_folder(root: Path, **contents: str) -> Folder:
    entries: list[Entry] = []
    files: dict[str, Path] = {}
    for name, text in contents.items():
        digest = hashlib.sha256(text.encode()).hexdigest()
        files[digest] = root / name
        files[digest].write_text(text)
        entries.append(Entry(path=f"m/{name}", sha256=digest, size=len(text)))
    return Folder(Tree(entries=tuple(entries)), files)


def sent(folder: Folder, known: set[str]) -> tuple[dict[str, bytes], list[tuple[int, int]]]:
    calls: dict[str, bytes] = {}
    told: list[tuple[int, int]] = []

    def platform(request: httpx.Request) -> httpx.Response:
        body = request.read()
        if request.url.path.endswith("/missing"):
            digests = [digest for digest in json.loads(body)["digests"] if digest not in known]
            return httpx.Response(200, json={"missing": digests})
        calls[request.url.path.removeprefix("/api/v1/artifacts/")] = body
        return httpx.Response(204)

    transport = Transport(Address("http://127.0.0.1:1", None), http=httpx.MockTransport(platform))
    try:
        assert Artifacts(transport).upload(folder, lambda *so_far: told.append(so_far)) == folder.reference
    finally:
        transport.close()
    return calls, told


def test_only_what_is_missing_is_sent_and_the_tree_comes_last(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, a="one", b="three")
    first, second = folder.files
    calls, told = sent(folder, known={first})
    assert list(calls) == [f"blobs/{second}", f"trees/{folder.tree.digest()}"]
    assert calls[f"blobs/{second}"] == b"three"
    assert Tree.model_validate_json(calls[f"trees/{folder.tree.digest()}"]) == folder.tree
    assert told == [(5, 5)]


def test_a_file_that_went_away_is_named(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, a="one")
    (tmp_path / "a").unlink()
    with pytest.raises(PenstockError, match=r"/a cannot be read") as raised:
        sent(folder, known=set())
    assert raised.value.code is Code.INVALID
