"""Files of a job on the user's disk."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.client.job_downloads import fetch_below
from penstock.client.jobs import RemoteFile
from penstock.domain.errors import Code, PenstockError

FILES = {"score/predictions.csv": b"1,2\n3,4\n", "score/deep/rejects.jsonl": b"{}\n"}


def remote(path: str, content: bytes, modified_ns: int = 1_000_000_007) -> RemoteFile:
    return RemoteFile(path=path, size=len(content), modified_ns=modified_ns)


def content(path: str) -> Iterator[bytes]:
    yield from (FILES[path][:2], FILES[path][2:])


def fetch(folder: Path, *files: RemoteFile) -> int:
    return fetch_below(folder, files, content, lambda done, total: None)


def test_files_arrive_whole_and_are_not_fetched_again_while_they_are_the_same(tmp_path: Path) -> None:
    files = [remote(path, data) for path, data in FILES.items()]
    assert fetch(tmp_path, *files) == 2
    assert {p: (tmp_path / p).read_bytes() for p in FILES} == FILES
    assert fetch(tmp_path, *files) == 0
    (tmp_path / "score/predictions.csv").write_bytes(b"1,2\n3,5\n")
    assert fetch(tmp_path, *files) == 1
    assert (tmp_path / "score/predictions.csv").read_bytes() == FILES["score/predictions.csv"]
    assert fetch(tmp_path, remote("score/predictions.csv", FILES["score/predictions.csv"], 2)) == 1


def test_names_that_look_odd_are_names(tmp_path: Path) -> None:
    for name in ("new\nline.csv", "back\\slash", "..twice", "-n", "per%20cent"):
        assert fetch_below(tmp_path, [remote(name, b"x")], lambda _: iter((b"x",)), lambda done, total: None) == 1
        assert (tmp_path / name).read_bytes() == b"x"


def test_it_is_told_how_much_of_a_file_has_come_before_all_of_it_has(tmp_path: Path) -> None:
    told: list[int] = []
    path = "score/predictions.csv"
    fetch_below(tmp_path, [remote(path, FILES[path])], content, lambda done, total: told.append(done))
    assert told[0] == 2 < told[-1] == len(FILES[path])


def test_a_file_that_changes_meanwhile_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(PenstockError) as error:
        fetch(tmp_path, RemoteFile(path="score/predictions.csv", size=3, modified_ns=1))
    assert error.value.code is Code.UNAVAILABLE
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a//b", "link/x"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outside.mkdir()
    os.symlink(outside, folder / "link")
    with pytest.raises(PenstockError):
        fetch_below(folder, [remote(path, b"x")], lambda _: iter((b"x",)), lambda done, total: None)
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "x").exists()
