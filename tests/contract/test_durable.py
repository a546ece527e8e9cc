"""Files that are whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from penstock import durable


def test_a_replaced_file_has_its_new_content_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    durable.replace(path, b"old")
    durable.replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        durable.replace(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


def test_only_old_left_overs_are_removed(tmp_path: Path) -> None:
    old, young = tmp_path / "old", tmp_path / "young"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    durable.remove_stale(tmp_path)
    assert list(tmp_path.iterdir()) == [young]
