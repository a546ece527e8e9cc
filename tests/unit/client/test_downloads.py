"""Files that come to the user's disk: whole and right, inside of the folder, or not at all."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.client.downloads import write_below
from penstock.domain.artifact import Entry, Tree
from penstock.domain.errors import Code, PenstockError

FILES = {"model/MLmodel": b"flavors", "model/data/weights": b"w" * 3000, "model/run.sh": b"#!/bin/sh"}


class Store:
    """Blobs that count who is asked for."""

    def __init__(self, files: dict[str, bytes] = FILES) -> None:
        self.tree = Tree(
            entries=tuple(
                Entry(path=p, sha256=sha(c), size=len(c), executable=p.endswith(".sh")) for p, c in files.items()
            )
        )
        self.blobs = {sha(content): content for content in files.values()}
        self.asked: list[str] = []

    def content(self, digest: str) -> Iterator[bytes]:
        self.asked.append(next(e.path for e in self.tree.entries if e.sha256 == digest))
        blob = self.blobs[digest]
        yield blob[:3]
        yield blob[3:]

    def write(self, folder: Path) -> list[str]:
        """The files that were asked for, to have all of them below `folder`."""
        self.asked.clear()
        write_below(folder, self.tree, self.content, lambda *_: None)
        return list(self.asked)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def refused(store: Store, folder: Path) -> PenstockError:
    with pytest.raises(PenstockError) as raised:
        store.write(folder)
    return raised.value


def test_files_come_below_the_folder_and_only_once(tmp_path: Path) -> None:
    store, folder = Store(), tmp_path / "new" / "fraud"
    assert store.write(folder) == list(FILES)
    assert contents(folder) == FILES
    assert [path for path in FILES if os.access(folder / path, os.X_OK)] == ["model/run.sh"]
    assert store.write(folder) == []


def test_what_is_not_right_is_replaced_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    store = Store()
    store.write(tmp_path)
    (tmp_path / "model/MLmodel").write_bytes(b"altered")
    (tmp_path / "model/run.sh").chmod(0o600)
    (tmp_path / "model/own").write_bytes(b"mine")
    assert store.write(tmp_path) == ["model/MLmodel", "model/run.sh"]
    assert contents(tmp_path) == {**FILES, "model/own": b"mine"}


def test_what_a_killed_download_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".penstock-0123").write_bytes(b"half")
    Store().write(tmp_path)
    assert contents(tmp_path) == FILES


@pytest.mark.parametrize("blob", [b"damaged", b"flav", b"flavors and more", b""])
def test_a_damaged_file_is_never_seen(blob: bytes, tmp_path: Path) -> None:
    store = Store()
    (tmp_path / "model").mkdir()
    (tmp_path / "model/MLmodel").write_bytes(b"before")
    store.blobs[sha(b"flavors")] = blob
    fault = refused(store, tmp_path)
    assert (fault.code, "'model/MLmodel' arrived damaged" in fault.message) == (Code.UNAVAILABLE, True)
    assert contents(tmp_path) == {"model/MLmodel": b"before"}


@pytest.mark.parametrize("path", ["../evil", "/evil", "m/../../evil", "m//evil"])
def test_a_path_that_leads_outside_writes_nothing(path: str, tmp_path: Path) -> None:
    fault = refused(Store({path: b"x"}), tmp_path / "in" / "fraud")
    assert fault.code is Code.INVALID
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_folder_leads_nothing_outside(tmp_path: Path) -> None:
    folder, outside = tmp_path / "fraud", tmp_path / "outside"
    outside.mkdir()
    (folder / "model").mkdir(parents=True)
    (folder / "model/data").symlink_to(outside)
    (folder / "model/MLmodel").symlink_to(outside / "MLmodel")
    assert "model/data is a link: remove it" in refused(Store(), folder).message
    assert list(outside.iterdir()) == []
    assert not (folder / "model/MLmodel").is_symlink()


def test_a_full_disk_is_said_and_leaves_nothing_half(tmp_path: Path) -> None:
    store = Store()

    def content(digest: str) -> Iterator[bytes]:
        yield from store.content(digest)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(PenstockError, match=r"disk that holds .* is full") as raised:
        write_below(tmp_path, store.tree, content, lambda *_: None)
    assert raised.value.code is Code.UNAVAILABLE
    assert contents(tmp_path) == {}


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder/model/MLmodel").mkdir(parents=True)
    assert "model/MLmodel cannot be written" in refused(Store(), tmp_path / "folder").message
    (tmp_path / "file").write_text("")
    assert f"{tmp_path / 'file'} cannot be written" in refused(Store(), tmp_path / "file").message
