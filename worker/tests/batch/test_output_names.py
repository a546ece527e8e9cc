"""What final files are called, whatever the files of the input are."""

import os
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_worker.batch.output_names import input_file_names, one_file_name, part_file_name


@pytest.mark.parametrize(
    ("given_name", "form", "expected"),
    [
        pytest.param("predictions.csv", "azure", "predictions.csv", id="Azure's default"),
        pytest.param("predictions.csv", "csv", "predictions.csv", id="Azure's default, as CSV"),
        pytest.param("predictions.csv", "parquet", "predictions.parquet", id="Azure's default follows the format"),
        pytest.param("predictions.csv", "jsonl", "predictions.jsonl", id="so for JSON lines"),
        pytest.param("mine.txt", "parquet", "mine.txt", id="what a user has asked for stays"),
    ],
)
def test_the_one_file_is_called_as_asked(given_name: str, form: str, expected: str) -> None:
    assert one_file_name(given_name, form) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("a.csv", "a.parquet", id="the extension is replaced"),
        pytest.param("2024/05/a.parquet", "2024/05/a.parquet", id="folders are kept"),
        pytest.param("a.csv.gz", "a.parquet", id="with that of its compression"),
        pytest.param("part.0001", "part.0001.parquet", id="a number is no extension"),
        pytest.param("data", "data.parquet", id="none"),
        pytest.param(".csv", ".csv.parquet", id="nothing but one"),
        pytest.param("../../etc/passwd", "__/__/etc/passwd.parquet", id="upwards"),
        pytest.param("/etc/passwd", "etc/passwd.parquet", id="from the root"),
        pytest.param("a//./b.csv", "a/b.parquet", id="folders of no name"),
        pytest.param("a\0b.csv", "a_b.parquet", id="NUL"),
        pytest.param("..", "__.parquet", id="the folder above"),
        pytest.param("/", "_.parquet", id="the root"),
        pytest.param(".penstock-job/a.csv", "_.penstock-job/a.parquet", id="our own folder"),
        pytest.param("caf\udce9.csv", "caf\udce9.parquet", id="bytes that are no UTF-8"),
    ],
)
def test_an_output_is_called_as_its_input_below_the_output_folder(name: str, expected: str) -> None:
    assert next(input_file_names(name, "parquet")) == expected


def test_names_that_are_taken_have_others_that_tell_of_the_input() -> None:
    first, second, third, fourth = islice(input_file_names("sub/a.csv", "parquet"), 4)
    assert (first, second) == ("sub/a.parquet", "sub/a.csv.parquet")
    assert third.startswith("sub/a-")
    assert "/" not in fourth


def test_the_name_of_the_rejects_is_left_to_them() -> None:
    assert next(input_file_names("rejects.csv", "jsonl")) == "rejects.csv.jsonl"
    assert next(input_file_names("sub/rejects.csv", "jsonl")) == "sub/rejects.jsonl"


HOSTILE = st.lists(
    st.sampled_from(["..", ".", "/", "//", "\0", "a", "é" * 200, "x" * 300, "\ud800", "\udcff", ".penstock-", ".csv"])
    | st.text(max_size=5),
    max_size=30,
).map("".join)


@given(HOSTILE)
def test_no_name_leads_out_of_the_output_folder_or_is_too_long(name: str) -> None:
    for path in islice(input_file_names(name, "parquet"), 6):
        assert not path.startswith("/")
        assert "\0" not in path
        assert len(os.fsencode(path)) < 2000
        pieces = path.split("/")
        assert not {"", ".", ".."} & set(pieces)
        assert max(len(os.fsencode(piece)) for piece in pieces) <= 255 - len(".footer")
        assert not pieces[0].startswith(".penstock-")
        assert path.endswith(".parquet")


def test_long_names_that_begin_alike_stay_apart() -> None:
    names = {next(input_file_names(f"{'x' * 400}{number}.csv", "csv")) for number in range(100)}
    assert len(names) == 100


def test_parts_sort_as_they_are_numbered() -> None:
    assert part_file_name(7, 38, "parquet") == "part-00007.parquet"
    assert part_file_name(7, 1_000_000, "azure") == "part-000007.csv"
