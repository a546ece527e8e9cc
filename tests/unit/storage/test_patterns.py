"""Which files below a folder a glob means."""

import pytest

from penstock.storage.patterns import Pattern, is_hidden, split


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/data/in", ("/data/in", "")),
        ("/data/*.csv", ("/data", "*.csv")),
        ("bucket/a[12]/b/", ("bucket", "a[12]/b")),
        ("*.csv", ("", "*.csv")),
    ],
)
def test_a_glob_begins_at_the_first_part_that_stands_for_several(path, parts):
    assert split(path) == parts


@pytest.mark.parametrize(
    ("glob", "taken", "left"),
    [
        ("*.csv", ["a.csv"], ["a.txt", "in/a.csv"]),
        ("**/*.csv", ["a.csv", "in/a.csv", "in/deep/a.csv"], ["a.txt"]),
        ("**", ["a", "in/a"], [".a", "in/_b/c"]),
        ("in/**/a", ["in/a", "in/b/c/a"], ["a", "other/a"]),
        ("2024-?", ["2024-1", "2024-1/a.csv"], ["2024-10", "2025-1/a.csv"]),
        ("_tmp/*", ["_tmp/a"], ["_tmp/_b", "_other/a"]),
        (".*", [".env"], [".env/.git", "env"]),
        ("*", ["a", "a/b", "_x=1/a"], ["_a", "a/.b"]),
        ("", ["a", "a/b"], ["_SUCCESS", "a/.b.crc"]),
    ],
)
def test_what_a_glob_takes_and_leaves(glob, taken, left):
    pattern = Pattern(glob, deep=True)
    assert [name for name in (*taken, *left) if pattern.takes(name)] == taken


def test_a_folder_that_matches_means_its_files_only_where_folders_are_wanted():
    assert not Pattern("2024", deep=False).takes("2024/a.csv")
    assert Pattern("2024", deep=True).takes("2024/a.csv")


def test_folders_that_cannot_hold_a_match_are_not_entered():
    pattern = Pattern("2024/*/a.csv", deep=True)
    assert [name for name in ("2024", "2024/01", "2024/01/deep", "2023", "2024/_old") if pattern.enters(name)] == [
        "2024",
        "2024/01",
    ]


@pytest.mark.parametrize("name", ["_SUCCESS", ".a.crc", "a.crc", "a._COPYING_", "day_$folder$", "_metadata"])
def test_marks_of_other_programs_are_hidden(name):
    assert is_hidden(name)


@pytest.mark.parametrize("name", ["a", "a_b", "_day=1", "a.csv"])
def test_data_is_not_hidden(name):
    assert not is_hidden(name)
