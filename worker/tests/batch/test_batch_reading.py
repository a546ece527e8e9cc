"""Input files of every kind become slices of tables: the rows that can be read, and why others cannot."""

import bz2
import errno
import gzip
import os
import resource
import subprocess
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from support.input_files import a_file, everything, in_pieces

from penstock_worker.batch.failing import TaskFailedError
from penstock_worker.batch.reading import Columns, UnreadableError, read, unchanged
from penstock_worker.batch.unreadable import reading_of
from penstock_worker.batch_contract import INPUT_CHANGED, INPUT_UNREADABLE, RUN_FAILED, Segment
from penstock_worker.signature import Field, Signature

SOURCE = Path(__file__).parents[2] / "src"
TEXT = "dictionary<values=string, indices=int32, ordered=0>"


def rows_of(path: Path, data: bytes, types: dict[str, str] | None = None, **more: Any) -> Any:
    return everything([Segment(a_file(path, data))], types, **more)


@contextmanager
def none_to_open() -> Generator[None]:
    """This process has as many files open as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    least = os.open(os.devnull, os.O_RDONLY)
    os.close(least)
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_csv_has_the_types_of_the_signature_and_texts_as_they_are_written_elsewhere(tmp_path: Path) -> None:
    data = b"id,x,n,s,on,at,zip\n1,2,3,a,true,2026-01-02 03:04:05,007\n2,,4,NA,False,2026-01-02,010\n"
    types = {"x": "double", "n": "integer", "s": "string", "on": "boolean", "at": "datetime"}
    found = rows_of(tmp_path / "t.csv", data, types)
    assert found.types == {
        "id": "int64",
        "x": "double",
        "n": "int64",
        "s": TEXT,
        "on": "bool",
        "at": "timestamp[ns]",
        "zip": TEXT,
    }
    assert [(row["x"], row["s"], row["zip"]) for row in found.values] == [(2.0, "a", "007"), (None, None, "010")]


def test_whole_numbers_beside_nulls_are_read_as_pandas_writes_them(tmp_path: Path) -> None:
    found = rows_of(tmp_path / "t.csv", b"n\n1.0\n2.0\n", {"n": "long"})
    assert (found.types, [row["n"] for row in found.values]) == ({"n": "double"}, [1, 2])


def test_a_value_that_does_not_fit_leaves_its_column_as_texts_in_its_part_of_the_file_alone(tmp_path: Path) -> None:
    rows = b"".join(b"%d,%s\n" % (number, b"x" * 90) for number in range(150_000))
    data = b"n,s\n" + rows + b"oops,y\n"
    segments = in_pieces(a_file(tmp_path / "t.csv", data), mini_batch_bytes=1 << 25)
    columns = Columns({"n": "long"})
    kinds = [str(each.table.schema.field("n").type) for segment in segments for each in read(segment, columns, 16_384)]
    assert kinds[:-3] == ["int64"] * (len(kinds) - 3)
    assert kinds[-1] == TEXT
    found = everything(segments, {"n": "long"})
    assert [number for number, _ in found.rows] == list(range(150_001))
    assert found.values[-1]["n"] == "oops"


def test_rows_with_too_many_or_too_few_fields_are_rejected_with_their_numbers(tmp_path: Path) -> None:
    data = b'a,b\n1,x\n2,"y\n",3\n3,z\n\n4\n5,w\n6,7,8\n'
    found = rows_of(tmp_path / "t.csv", data)
    assert [(number, row["a"]) for number, row in found.rows] == [(0, 1), (2, 3), (4, 5)]
    assert [tuple(reject) for reject in found.rejects] == [
        (1, "3 fields; the header has 2"),
        (3, "1 fields; the header has 2"),
        (5, "3 fields; the header has 2"),
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv", b"a,b\n1,\xe9\n"),
        ("t.jsonl", b'{"a": 1, "b": "\xe9"}\n'),
        ("t.csv", b"a,b\n" + b"1,x\n" * 1_500_000 + b"2,\xe9\n"),
    ],
    ids=["csv", "json lines", "far behind in a large file"],
)
def test_what_is_not_utf8_is_set_aside_as_a_whole_with_the_place_of_the_first_byte(
    tmp_path: Path, name: str, data: bytes
) -> None:
    file = a_file(tmp_path / name, data)
    place = data.index(b"\xe9")
    for attempt in (lambda: in_pieces(file), lambda: next(iter(read(Segment(file), None, 16_384)))):
        with pytest.raises(UnreadableError, match=f"it is not UTF-8: byte 0xe9 at offset {place}") as error:
            attempt()
        assert error.value.reason == INPUT_UNREADABLE


def test_utf16_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="it is UTF-16; only UTF-8 is read"):
        rows_of(tmp_path / "t.csv", "a,b\n1,2\n".encode("utf-16"))


def test_files_of_other_kinds_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="File type 'avro' is not supported: csv, tsv, jsonl"):
        rows_of(tmp_path / "t.avro", b"x")
    with pytest.raises(UnreadableError, match=r"File type 'parquet\.gz' is not supported"):
        rows_of(tmp_path / "t.parquet.gz", b"x")
    with pytest.raises(UnreadableError, match="A file without type is not supported"):
        rows_of(tmp_path / "README", b"x")


def test_columns_are_named_as_pandas_names_them(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "t.csv", b",a,a\n0,1,2\n").values == [{"Unnamed: 0": 0, "a": 1, "a.1": 2}]
    with pytest.raises(UnreadableError, match="column 'a' stands there 2 times"):
        rows_of(tmp_path / "t.csv", b"a,a\n1,2\n", {"a": "long"})


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    table = pyarrow.table({"a": [1], "b": ["x"], "c": [2.0]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    pyarrow.feather.write_feather(table, tmp_path / "t.feather")
    (tmp_path / "t.csv").write_bytes(b"a,b,c\n1,x,2.0\n")
    (tmp_path / "t.jsonl").write_bytes(b'{"a": 1, "b": "x", "c": 2.0}\n')
    for name in ("t.parquet", "t.feather", "t.csv", "t.jsonl"):
        segment = Segment(a_file(tmp_path / name))
        assert everything([segment], only=["c", "b", "none"]).values == [{"b": "x", "c": 2.0}]
        assert everything([segment]).values == [{"a": 1, "b": "x", "c": 2.0}]
        assert everything([segment]).types["b"] == TEXT


def test_lines_that_are_no_rows_are_rejected_and_mixed_columns_are_texts(tmp_path: Path) -> None:
    data = b'{"a": 1, "s": "x"}\n[1]\n\n{"a": "q", "s": 5}\n{"a":\n{"a": 2}\n'
    found = rows_of(tmp_path / "t.jsonl", data, {"a": "double", "s": "string"})
    assert found.rows == [(0, {"a": "1", "s": "x"}), (2, {"a": "q", "s": "5"}), (4, {"a": "2", "s": None})]
    assert [(row, reason[:20]) for row, reason in found.rejects] == [
        (1, "expected an object, "),
        (3, "no JSON: Expecting v"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a": 1, "b": "x"},\n {"a": 2}]',
        b'{"a": 1, "b": "x"}\n{"a": 2}',
        b'{\n "a": 1, "b": "x"\n}\n{"a": 2}\n',
    ],
    ids=["an array", "lines", "objects over several lines"],
)
def test_json_is_an_array_lines_or_objects(tmp_path: Path, data: bytes) -> None:
    assert rows_of(tmp_path / "t.json", data).rows == [(0, {"a": 1, "b": "x"}), (1, {"a": 2, "b": None})]


def test_broken_json_is_set_aside(tmp_path: Path) -> None:
    for data in (b'[{"a": 1},', b'[{"a": 1} {"a": 2}]', b'{"a": tru}'):
        with pytest.raises(UnreadableError, match="broken"):
            rows_of(tmp_path / "t.json", data)


def test_compressed_text_is_read_and_what_is_cut_short_is_set_aside(tmp_path: Path) -> None:
    data = b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(5000))
    packed = {
        "t.csv.gz": gzip.compress(data[:100]) + gzip.compress(data[100:]),
        "t.csv.bz2": bz2.compress(data),
        "t.csv.zst": bytes(pyarrow.compress(data, "zstd", asbytes=True)),
    }
    for name, content in packed.items():
        assert [row["a"] for row in rows_of(tmp_path / name, content).values] == list(range(5000))
    with pytest.raises(UnreadableError, match="Truncated"):
        rows_of(tmp_path / "t.csv.gz", gzip.compress(data)[:-10])


def test_damaged_tables_are_set_aside(tmp_path: Path) -> None:
    table = pyarrow.table({"a": list(range(1000)), "b": [f"x{n}" for n in range(1000)]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for data in (whole[:-20], b"PAR1" + b"\0" * 3000 + whole[3004:], b"text"):
        with pytest.raises(UnreadableError, match="the file cannot be read"):
            rows_of(tmp_path / "t.parquet", data)
    with pytest.raises(UnreadableError, match="the file cannot be read"):
        rows_of(tmp_path / "t.arrow", b"ARROW1 and no more of it")
    with pytest.raises(UnreadableError, match="version 1"):
        rows_of(tmp_path / "t.feather", b"FEA1 and more")


def test_a_fault_that_may_pass_fails_the_task_and_not_the_file(tmp_path: Path) -> None:
    """So that it is tried again."""
    file = a_file(tmp_path / "t.csv", b"a\n1\n")
    with (
        none_to_open(),
        pytest.raises(TaskFailedError, match=r"t\.csv cannot be read at this moment.*Too many open") as error,
    ):
        everything([Segment(file)])
    assert error.value.reason == RUN_FAILED
    with (
        pytest.raises(TaskFailedError, match=r"t\.csv cannot be read at this moment.*Input/output error") as error,
        reading_of("t.csv"),
    ):
        raise OSError(errno.EIO, os.strerror(errno.EIO))  # as a disk or a share says it in the middle of a file
    assert error.value.reason == RUN_FAILED


def test_files_without_rows_have_no_slices(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "t.csv", b"a,b\n").slices == []
    assert rows_of(tmp_path / "t.csv", b"\n\n").slices == []
    assert rows_of(tmp_path / "t.json", b"[]").slices == []
    pyarrow.parquet.write_table(pyarrow.table({"a": pyarrow.array([], pyarrow.int64())}), tmp_path / "t.parquet")
    assert everything([Segment(a_file(tmp_path / "t.parquet"))]).slices == []


def test_slices_are_even_and_small_row_groups_share_one(tmp_path: Path) -> None:
    table = pyarrow.table({"a": list(range(10_000)), "s": [f"s{n % 9}" for n in range(10_000)]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    found = everything([Segment(a_file(tmp_path / "t.parquet"))], slice_rows=3000)
    assert found.slices == [3333, 3333, 3334]
    assert [row["a"] for row in found.values] == list(range(10_000))
    segment = Segment(a_file(tmp_path / "t.parquet"))
    one = next(iter(read(segment, None, 20_000))).table.column("s")
    assert len({chunk.dictionary.buffers()[2].address for chunk in one.chunks}) == 1


def test_an_input_that_changes_is_noticed_before_and_after(tmp_path: Path) -> None:
    file = a_file(tmp_path / "t.csv", b"a\n1\n2\n")
    assert unchanged(file)
    slices = read(Segment(file), None, 1)
    next(slices)
    os.utime(file.path, ns=(1, 1))
    assert not unchanged(file)
    with pytest.raises(TaskFailedError, match=r"t\.csv has changed since the job was planned") as error:
        list(slices)
    assert error.value.reason == INPUT_CHANGED
    os.unlink(file.path)
    with pytest.raises(TaskFailedError, match="has changed"):
        list(read(Segment(file), None, 1))
    assert not unchanged(file)


def test_a_file_that_replaced_another_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    for value in (1, 2):
        pyarrow.parquet.write_table(pyarrow.table({"a": [value, value]}), tmp_path / "new")
        os.utime(tmp_path / "new", ns=(5, 5))
        os.replace(tmp_path / "new", path)
        assert everything(in_pieces(a_file(path), mini_batch_rows=1)).values == [{"a": value}] * 2


def test_columns_are_those_of_a_signature_that_names_them() -> None:
    signature = Signature((Field("a", "double"), Field("b", "string", required=False)))
    assert Columns.of(signature) == Columns({"a": "double", "b": "string"})
    assert Columns.of(None) is None
    assert Columns.of(Signature((Field(None, "double"),))) is None


MEASURE = """
    import pathlib, sys
    from penstock_worker.batch.reading import read
    from penstock_worker.batch_contract import File, Segment
    path = pathlib.Path(sys.argv[1])
    file = File(0, str(path), path.name, path.stat().st_size, path.stat().st_mtime_ns)
    rows = sum(each.table.num_rows for each in read(Segment(file), None, 16_384))
    print(rows, pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


def peak_of(path: Path) -> tuple[int, int]:
    """How many rows were read in a process of its own, and the most memory that it had, in MiB."""
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    rows, kilobytes = map(int, done.stdout.split())
    return rows, kilobytes // 1024


@pytest.mark.parametrize("kind", ["one row group", "many row groups", "csv.gz"])
def test_a_file_ten_times_larger_takes_no_more_memory(tmp_path: Path, kind: str) -> None:
    peaks: list[int] = []
    rows = 250_000
    block = pyarrow.table({f"c{n}": pyarrow.array(range(rows)).cast(pyarrow.float64()) for n in range(2)})
    for times in (4, 40):
        table = pyarrow.concat_tables([block] * times)
        path = tmp_path / ("t.csv.gz" if kind == "csv.gz" else "t.parquet")
        if kind == "csv.gz":
            path.write_bytes(gzip.compress(b"a,b\n" + b"1.5,some text that is long enough\n" * 40_000 * times, 1))
        else:
            size = table.num_rows if kind == "one row group" else rows
            pyarrow.parquet.write_table(table, path, row_group_size=size, use_dictionary=False, compression="none")
        found, peak = peak_of(path)
        assert found == (40_000 if kind == "csv.gz" else rows) * times
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 30, peaks
