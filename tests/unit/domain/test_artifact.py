"""Trees hold plain relative paths only, whatever a client sends."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain import artifact
from penstock.domain.artifact import Entry, Tree, check_tree, parse_artifact_reference
from penstock.domain.errors import PenstockError

DIGEST = "ab" * 32


def a_tree(*paths: str, size: int = 1, sha256: str = DIGEST) -> Tree:
    return Tree(entries=tuple(Entry(path=path, sha256=sha256, size=size) for path in paths))


HOSTILE = [
    "",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    ".",
    "..",
    "./a",
    "a/.",
    "a/./b",
    "../a",
    "a/../b",
    "a/..",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "a\x7f",
    "a\\..\\b",
    "C:\\a",
    "a/\ud800",
    "a" * 256,
    "\u00e9" * 128,
    "a/" * 600 + "a",
]


@pytest.mark.parametrize("path", HOSTILE, ids=ascii)
def test_hostile_paths_are_refused(path):
    with pytest.raises(PenstockError, match="not a plain relative path"):
        check_tree(a_tree(path))
    with pytest.raises(PenstockError, match="not an artifact reference"):
        parse_artifact_reference(f"artifact:{DIGEST}/{path}")


@pytest.mark.parametrize("path", ["a", "a/b.txt", ".hidden", "...", "a b/c:d", "caf\u00e9/\u6a21\u578b", "a" * 255])
def test_plain_paths_are_taken(path):
    assert check_tree(a_tree(path)).entries[0].path == path
    assert parse_artifact_reference(f"artifact:{DIGEST}/{path}") == artifact.ArtifactReference(DIGEST, path)


@pytest.mark.parametrize(
    ("tree", "fault"),
    [
        (a_tree(), "1 to 100,000 files"),
        (a_tree("a", "a"), "stands twice"),
        (a_tree("a/b/c", "a"), "below another file"),
        (a_tree("a", size=-1), "negative size"),
        (a_tree("a", sha256=DIGEST.upper()), "not a SHA-256"),
        (a_tree("a", sha256=DIGEST + "\n"), "not a SHA-256"),
    ],
)
def test_trees_that_no_folder_can_be_are_refused(tree, fault):
    with pytest.raises(PenstockError, match=fault):
        check_tree(tree)


def test_a_tree_has_a_bounded_number_of_files(monkeypatch):
    monkeypatch.setattr(artifact, "MAX_FILES", 2)
    with pytest.raises(PenstockError, match="this one has 3"):
        check_tree(a_tree("a", "b", "c"))


@given(st.lists(st.text(alphabet=st.sampled_from("ab./\\\0\n\u00e9\ud800"), max_size=12), min_size=1, max_size=4))
def test_whatever_passes_stays_inside(paths):
    try:
        check_tree(a_tree(*paths))
    except PenstockError:
        return
    for path in paths:
        pure = PurePosixPath(path)
        assert str(pure) == path
        assert not pure.is_absolute()
        assert ".." not in pure.parts
        assert path.encode().decode() == path


@given(st.permutations(["a", "b/c", "b/d", "e"]))
def test_a_digest_does_not_depend_on_the_order(paths):
    assert a_tree(*paths).digest() == a_tree("a", "b/c", "b/d", "e").digest()
