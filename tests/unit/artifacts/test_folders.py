"""What of a user's folder travels, and what is refused before anything is sent."""

import hashlib
import os
import socket

import pytest

from penstock.artifacts import folders
from penstock.artifacts.folders import pack
from penstock.domain.errors import PenstockError


def a_folder(root, **files: str):
    """`root` with files; `__` in a name stands for `/`, `DOT` for `.`."""
    for name, text in files.items():
        file = root / name.replace("DOT", ".").replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def paths(packed) -> list[str]:
    return [entry.path for entry in packed.tree.entries]


def test_paths_begin_with_the_folders_name(tmp_path):
    folder = a_folder(tmp_path / "model", MLmodel="m", data__bDOTtxt="b")
    packed = pack(folder)
    assert paths(packed) == ["model/MLmodel", "model/data/b.txt"]
    assert packed.reference == f"artifact:{packed.tree.digest()}/model"
    digest = hashlib.sha256(b"b").hexdigest()
    assert packed.files[digest] == folder / "data" / "b.txt"


def test_the_present_folder_goes_by_its_real_name(tmp_path, monkeypatch):
    monkeypatch.chdir(a_folder(tmp_path / "src", scoreDOTpy="s"))
    assert paths(pack(folders.Path("."))) == ["src/score.py"]


def test_a_single_file_is_a_tree_of_its_own(tmp_path):
    file = a_folder(tmp_path, modelDOTpkl="m") / "model.pkl"
    file.chmod(0o755)
    packed = pack(file)
    assert paths(packed) == ["model.pkl"]
    assert packed.tree.entries[0].executable
    assert packed.reference.endswith("/model.pkl")


def test_the_same_content_gives_the_same_reference(tmp_path):
    one = pack(a_folder(tmp_path / "one" / "m", a="1", b="1"))
    other = pack(a_folder(tmp_path / "other" / "m", b="1", a="1"))
    assert one.reference == other.reference
    assert len(one.files) == 1


def test_ignored_files_stay_behind(tmp_path):
    folder = a_folder(
        tmp_path / "m",
        DOTgitignore="*.log\n/data/*\n!/data/keep.csv\nbuild/\n# comment\n",
        aDOTlog="",
        data__xDOTcsv="",
        data__keepDOTcsv="",
        build__x="",
        DOTgit__config="",
        src____pycache____xDOTpyc="",
        src__aDOTpy="",
    )
    (folder / "src" / "__pycache__").mkdir(exist_ok=True)
    (folder / "src" / "__pycache__" / "a.pyc").touch()
    assert [path for path in paths(pack(folder)) if "pycache" not in path or "a.pyc" in path] == [
        "m/.gitignore",
        "m/data/keep.csv",
        "m/src/a.py",
    ]


def test_amlignore_counts_instead_of_gitignore(tmp_path):
    folder = a_folder(tmp_path / "m", DOTgitignore="a\n", DOTamlignore="b\n", a="", b="")
    assert paths(pack(folder)) == ["m/.amlignore", "m/.gitignore", "m/a"]


def test_links_inside_are_followed_and_links_outside_refused(tmp_path):
    folder = a_folder(tmp_path / "m", a="content", d__b="")
    (folder / "inside").symlink_to("a")
    assert paths(pack(folder)) == ["m/a", "m/d/b", "m/inside"]
    for target, fault in (("/etc/hostname", "outside of"), ("d", "link to a folder"), ("gone", "does not exist")):
        (folder / "bad").symlink_to(target)
        with pytest.raises(PenstockError, match=fault):
            pack(folder)
        (folder / "bad").unlink()


def test_links_that_are_left_out_are_not_looked_at(tmp_path):
    folder = a_folder(tmp_path / "m", a="", DOTamlignore="bad\n")
    (folder / "bad").symlink_to("/etc")
    assert paths(pack(folder)) == ["m/.amlignore", "m/a"]


def test_special_files_are_refused(tmp_path, monkeypatch):
    folder = a_folder(tmp_path / "m", a="")
    monkeypatch.chdir(folder)
    os.mkfifo(folder / "pipe")
    with pytest.raises(PenstockError, match=r"pipe is not a regular file"):
        pack(folder)
    (folder / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.sock")
        with pytest.raises(PenstockError, match=r"s\.sock is not a regular file"):
            pack(folder)


@pytest.mark.parametrize(("make", "fault"), [(lambda p: None, "does not exist"), (lambda p: p.mkdir(), "no files")])
def test_nothing_cannot_be_packed(tmp_path, make, fault):
    make(tmp_path / "m")
    with pytest.raises(PenstockError, match=fault):
        pack(tmp_path / "m")


def test_names_that_cannot_travel_are_refused(tmp_path):
    (tmp_path / "m").mkdir()
    os.close(os.open(os.fsencode(tmp_path / "m") + b"/bad\xff", os.O_CREAT))
    with pytest.raises(PenstockError, match="not a plain relative path"):
        pack(tmp_path / "m")


def test_the_number_of_files_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MAX_FILES", 2)
    with pytest.raises(PenstockError, match="more than 2 files"):
        pack(a_folder(tmp_path / "m", a="1", b="2", c="3"))


def test_progress_adds_up_to_the_size(tmp_path):
    told: list[int] = []
    file = tmp_path / "big"
    file.write_bytes(b"x" * 2_500_000)
    pack(file, told.append)
    assert sum(told) == 2_500_000
    assert len(told) == 3
