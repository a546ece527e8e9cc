"""What every implementation of the artifacts port holds to."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.artifacts.files import FileArtifacts
from penstock.domain.artifact import Entry, Tree
from penstock.domain.errors import Code, PenstockError

ABSENT = "0" * 64
LARGE = b"x" * (1024 * 1024)

DIER = """
import os, sys
from pathlib import Path
from penstock.artifacts.files import FileArtifacts
calls = 0
def counted(real):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls > int(sys.argv[4]):
            os.kill(os.getpid(), 9)
        return real(*args, **kwargs)
    return call
artifacts = FileArtifacts(Path(sys.argv[1]))
for name in ("mkdir", "link", "rename", "chmod", "open"):
    setattr(os, name, counted(getattr(os, name)))
artifacts.materialise(sys.argv[2], Path(sys.argv[3]), link=True)
"""


@pytest.fixture
def artifacts(tmp_path):
    return FileArtifacts(tmp_path / "artifacts")


def put(artifacts, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    assert artifacts.put_blob(digest, [content[:3], b"", content[3:]]) == len(content)
    return digest


def a_tree(artifacts, files: dict[str, bytes], executable: tuple[str, ...] = ()) -> Tree:
    return Tree(
        entries=tuple(
            Entry(path=path, sha256=put(artifacts, content), size=len(content), executable=path in executable)
            for path, content in files.items()
        )
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


FILES = {"model/MLmodel": b"flavors", "model/data/weights.bin": LARGE, "model/run.sh": b"#!/bin/sh"}


def test_a_tree_comes_out_as_it_went_in(artifacts, tmp_path):
    digest = artifacts.put_tree(a_tree(artifacts, FILES, executable=("model/run.sh",)))
    assert artifacts.tree(digest).digest() == digest
    assert artifacts.read(digest, "model/MLmodel") == b"flavors"
    for link in (True, False):
        target = artifacts.materialise(digest, tmp_path / "out" / str(link), link=link)
        assert contents(target) == FILES
        assert stat.S_IMODE((target / "model/run.sh").stat().st_mode) == 0o555
        assert stat.S_IMODE((target / "model/data/weights.bin").stat().st_mode) == 0o444
        assert stat.S_IMODE((target / "model/data").stat().st_mode) == 0o700
        assert stat.S_IMODE(target.stat().st_mode) == 0o700


def test_large_files_share_their_bytes_if_asked_to(artifacts, tmp_path):
    digest = artifacts.put_tree(a_tree(artifacts, FILES))

    def names(link: bool, path: str) -> int:
        return (artifacts.materialise(digest, tmp_path / str(link), link=link) / path).stat().st_nlink

    assert names(True, "model/data/weights.bin") == 2
    assert names(True, "model/MLmodel") == 1
    assert names(False, "model/data/weights.bin") == 1


def test_a_linked_file_is_executable_only_where_its_tree_says_so(artifacts, tmp_path):
    files = {"a/tool": LARGE, "a/data": LARGE}
    digest = artifacts.put_tree(a_tree(artifacts, files, executable=("a/tool",)))
    target = artifacts.materialise(digest, tmp_path / "out", link=True)
    assert os.access(target / "a/tool", os.X_OK)
    assert not stat.S_IMODE((target / "a/data").stat().st_mode) & 0o111


def test_an_existing_target_is_left_alone(artifacts, tmp_path):
    digest = artifacts.put_tree(a_tree(artifacts, FILES))
    (tmp_path / "out").mkdir()
    assert contents(artifacts.materialise(digest, tmp_path / "out", link=True)) == {}


def test_only_what_is_missing_is_named_once_and_in_order(artifacts):
    here = put(artifacts, b"here")
    other = "1" * 64
    assert list(artifacts.missing([other, here, ABSENT, other])) == [other, ABSENT]
    with pytest.raises(PenstockError, match="not a SHA-256"):
        artifacts.missing(["../../etc/passwd"])


def test_bytes_with_another_digest_are_not_kept(artifacts):
    digest = hashlib.sha256(b"right").hexdigest()
    with pytest.raises(PenstockError, match="send them again") as caught:
        artifacts.put_blob(digest, [b"wrong"])
    assert caught.value.code is Code.INVALID
    assert artifacts.missing([digest]) == [digest]


def test_a_blob_that_is_here_is_still_read_to_the_end_and_checked(artifacts):
    digest = put(artifacts, b"content")
    assert artifacts.put_blob(digest, iter([b"con", b"tent"])) == 7
    with pytest.raises(PenstockError, match="send them again"):
        artifacts.put_blob(digest, [b"other"])


def test_a_full_disk_is_named_and_leaves_nothing(artifacts, tmp_path):
    def chunks():
        yield b"first"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(PenstockError, match=r"disk that holds .* is full") as caught:
        artifacts.put_blob(ABSENT, chunks())
    assert caught.value.code is Code.UNAVAILABLE
    assert contents(tmp_path) == {}


def test_a_blob_is_read_in_pieces_from_anywhere(artifacts):
    digest, size = artifacts.add_blob(iter([b"con", b"", b"tent"]))
    assert (digest, size) == (hashlib.sha256(b"content").hexdigest(), 7)
    with artifacts.open_blob(digest) as blob:
        assert (blob.read(3), blob.read()) == (b"con", b"tent")
        blob.seek(5)
        assert blob.read() == b"nt"
    assert artifacts.add_blob([b"content"]) == (digest, size)


def test_a_body_that_breaks_off_leaves_nothing(artifacts, tmp_path):
    def chunks():
        yield b"first"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        artifacts.put_blob(ABSENT, chunks())
    assert contents(tmp_path) == {}


def test_a_tree_needs_its_blobs_and_their_true_sizes(artifacts):
    with pytest.raises(PenstockError, match="1 of the artifact's files") as caught:
        artifacts.put_tree(Tree(entries=(Entry(path="a", sha256=ABSENT, size=1),)))
    assert caught.value.code is Code.CONFLICT
    with pytest.raises(PenstockError, match="9 bytes and has 4"):
        artifacts.put_tree(Tree(entries=(Entry(path="a", sha256=put(artifacts, b"four"), size=9),)))
    with pytest.raises(PenstockError, match="plain relative path"):
        artifacts.put_tree(Tree(entries=(Entry(path="../a", sha256=put(artifacts, b"four"), size=4),)))


def test_what_is_not_here_is_not_found(artifacts, tmp_path):
    digest = artifacts.put_tree(a_tree(artifacts, FILES))
    for call in (
        lambda: artifacts.tree(ABSENT),
        lambda: artifacts.read(digest, "model/none"),
        lambda: artifacts.open_blob(ABSENT),
        lambda: artifacts.materialise(ABSENT, tmp_path / "out", link=True),
    ):
        with pytest.raises(PenstockError) as caught:
            call()
        assert caught.value.code is Code.NOT_FOUND


def test_rivals_lay_out_the_same_folder_once(artifacts, tmp_path):
    digest = artifacts.put_tree(a_tree(artifacts, {f"m/{n}": b"%d" % n for n in range(50)}))
    lay_out = lambda: artifacts.materialise(digest, tmp_path / "out" / "it", link=True)  # noqa: E731
    threads = [threading.Thread(target=lay_out) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["it"]
    assert len(contents(tmp_path / "out" / "it")) == 50


@pytest.mark.parametrize("calls", [0, 1, 3, 4, 6, 8])
def test_a_layout_killed_half_way_is_not_seen_and_cleaned_up(artifacts, tmp_path, calls):
    digest = artifacts.put_tree(a_tree(artifacts, FILES))
    target = tmp_path / "out" / "it"
    argv = [sys.executable, "-c", DIER, str(tmp_path / "artifacts"), digest, str(target), str(calls)]
    assert subprocess.run(argv, check=False).returncode == -9
    assert not target.exists()
    artifacts.materialise(digest, target, link=True)
    assert contents(target) == FILES
    assert [path.name for path in target.parent.iterdir()] == ["it"]


def test_only_old_leftovers_of_uploads_are_removed(artifacts, tmp_path):
    folder = tmp_path / "artifacts" / "tmp"
    (folder / "old").touch()
    (folder / "young").touch()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(folder / "old", (two_days_ago, two_days_ago))
    FileArtifacts(tmp_path / "artifacts")
    assert [file.name for file in folder.iterdir()] == ["young"]
