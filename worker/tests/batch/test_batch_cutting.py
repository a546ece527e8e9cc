"""Big input files are cut between records; the pieces together are the file."""

import csv
import io
import itertools
import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.input_files import a_file, everything, in_pieces

from penstock_worker.batch.lines import LineEnds
from penstock_worker.batch.records import RecordEnds
from penstock_worker.batch.row_groups import Most, groups_of, ranges, steps
from penstock_worker.batch_contract import BYTES, ROWS, WHOLE, Segment

# What makes a difference to where a record ends, in any order.
_TOKENS = st.sampled_from(['"', ",", "a", "é", '""', ',"', '",', "x y"])


def texts(line_end: str) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(_TOKENS, st.just(line_end), st.just(f'"{line_end}"')), max_size=60).map("".join)


any_text = st.sampled_from(["\n", "\r\n", "\r"]).flatmap(texts)


def split(ends: Any, data: bytes, sizes: list[int]) -> list[bytes]:
    """The records that `ends` finds in `data`, given in blocks of `sizes`."""
    records: list[bytes] = []
    at = start = 0
    for size in itertools.cycle(sizes):
        if at >= len(data):
            break
        stop = min(len(data), at + size)
        while stop < len(data) and data[stop - 1 : stop] == b"\r":
            stop += 1
        found, empty = ends.of(data[at:stop])
        for end, nothing in zip(found.tolist(), empty.tolist(), strict=True):
            if not nothing:
                records.append(data[start : at + end])
            start = at + end
        at = stop
    if ends.begun:
        records.append(data[start:])
    return records


def parsed(text: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


@settings(max_examples=400, deadline=None)
@given(text=any_text, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_records_end_where_pythons_csv_module_ends_them_however_they_are_quoted(text: str, sizes: list[int]) -> None:
    records = split(RecordEnds(","), text.encode(), sizes)
    assert [parsed(record.decode()) for record in records] == [[row] for row in parsed(text)]


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 9), st.text(st.sampled_from(' ",\nézA'), max_size=6), st.sampled_from(["", "\n"])),
        min_size=1,
        max_size=30,
    ),
    size=st.integers(1, 200),
    line_end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    ended=st.booleans(),
)
def test_pieces_of_a_csv_file_are_the_file(
    rows: list[Any], size: int, line_end: str, mark: bytes, *, ended: bool, tmp_path_factory: Any
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(["n", "a\ntext"])
    for number, value, blank in rows:
        writer.writerow([number, value])
        text.write(line_end if blank else "")
    data = mark + (text.getvalue() if ended else text.getvalue().rstrip("\r\n")).encode()
    path = tmp_path_factory.getbasetemp() / "cut.csv"
    segments = in_pieces(a_file(path, data), mini_batch_bytes=size)

    found = everything(segments)
    expected = [{"n": number, "a\ntext": value} for number, value, _ in rows]
    assert [{**row, "a\ntext": row["a\ntext"] or ""} for row in found.values] == expected
    assert [number for number, _ in found.rows] == list(range(len(rows)))
    assert sum(segment.rows for segment in segments) == len(rows)
    assert [s.start for s in segments] == [0, *(s.start + s.length for s in segments[:-1])]


def test_a_csv_file_of_many_blocks_is_cut_into_pieces_of_equal_size(tmp_path: Path) -> None:
    choose = random.Random(7)
    values = ["plain", 'a "quoted" word', "two\nlines", "three\r\nlines,", '5" pipe', ""]
    rows = [[str(number), choose.choice(values), "x" * choose.randrange(40)] for number in range(60_000)]
    with open(tmp_path / "big.csv", "w", newline="") as file:
        csv.writer(file).writerow(["n", "s", "x"])
        for row in rows:  # a quote in the middle of a field is often written as it is
            file.write(",".join(row) + "\n") if row[1] == '5" pipe' else csv.writer(file).writerow(row)
    file = a_file(tmp_path / "big.csv")
    segments = in_pieces(file, mini_batch_bytes=300_000)
    assert {s.unit for s in segments} == {BYTES}
    assert max(s.length for s in segments) - min(s.length for s in segments) < 1000
    found = everything(segments, {"n": "string"})
    assert [[row["n"], row["s"], row["x"]] for row in found.values] == rows
    assert [number for number, _ in found.rows] == list(range(len(rows)))


@settings(max_examples=200, deadline=None)
@given(
    lines=st.lists(st.sampled_from(['{"a":1}', "", "  ", '{"a":"é"}', " {}", "x"]), max_size=20),
    line_end=st.sampled_from(["\n", "\r\n"]),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_rows_of_json_lines_are_the_lines_with_something_on_them(
    lines: list[str], line_end: str, sizes: list[int]
) -> None:
    records = split(LineEnds(), line_end.join(lines).encode(), sizes)
    assert [record.decode().strip() for record in records] == [line.strip() for line in lines if line.strip()]


def test_json_lines_are_cut_at_lines_and_numbered(tmp_path: Path) -> None:
    lines = [f'{{"n": {number}, "s": "a\\n{number}"}}' for number in range(500)]
    data = "\n".join([*lines[:200], "", "  ", *lines[200:]]).encode()
    for name in ("rows.jsonl", "rows.ndjson", "rows.json"):
        segments = in_pieces(a_file(tmp_path / name, data), mini_batch_bytes=1000)
        assert len(segments) > 10
        found = everything(segments)
        assert [(number, row["n"]) for number, row in found.rows] == [(n, n) for n in range(500)]


def test_parquet_is_cut_between_row_groups_and_inside_of_large_ones(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pyarrow.table({"n": range(1000), "s": [f"s{n % 7}" for n in range(1000)]})
    with pyarrow.parquet.ParquetWriter(path, table.schema) as writer:
        for start, stop in ((0, 10), (10, 30), (30, 60), (60, 800), (800, 900), (900, 1000)):
            writer.write_table(table.slice(start, stop - start), row_group_size=1000)
    segments = in_pieces(a_file(path), mini_batch_rows=60)
    assert [(s.start, s.length) for s in segments[:2]] == [(0, 60), (60, 56)]
    assert max(s.length for s in segments) == 100
    assert all(s.unit == ROWS and s.first_row == s.start and s.rows == s.length for s in segments)
    shuffled = random.Random(3).sample(segments, len(segments))
    found = everything(shuffled)
    assert sorted((number, row["n"]) for number, row in found.rows) == [(n, n) for n in range(1000)]


def test_arrow_files_are_cut_at_record_batches_and_streams_are_not(tmp_path: Path) -> None:
    table = pyarrow.table({"n": range(1000), "s": [f"s{n % 7}" for n in range(1000)]})
    pyarrow.feather.write_feather(table, tmp_path / "t.feather", chunksize=64)
    with pyarrow.ipc.new_stream(tmp_path / "t.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=64)
    segments = in_pieces(a_file(tmp_path / "t.feather"), mini_batch_rows=100)
    assert [s.length for s in segments] == [128] * 7 + [104]
    stream = in_pieces(a_file(tmp_path / "t.arrow"), mini_batch_rows=100)
    assert [s.unit for s in stream] == [WHOLE]
    for found in (everything(segments), everything(stream), everything([Segment(a_file(tmp_path / "t.feather"))])):
        assert [(number, row["n"]) for number, row in found.rows] == [(n, n) for n in range(1000)]
        assert found.types["s"].startswith("dictionary")


rows_of_groups = st.lists(st.integers(0, 400), max_size=12)


@given(rows=rows_of_groups, size=st.integers(1, 120))
def test_ranges_cover_all_rows_once(rows: list[int], size: int) -> None:
    found = list(ranges(groups_of(rows, rows), size))
    edges = [0, *(start + length for start, length in found)]
    assert [start for start, _ in found] == edges[:-1]
    assert edges[-1] == sum(rows)
    assert all(0 < length < 5 * size for _, length in found)


@given(rows=rows_of_groups, places=st.tuples(st.integers(0, 3000), st.integers(0, 3000)), most=st.integers(1, 500))
def test_steps_read_the_rows_that_are_asked_for_and_no_more_at_once_than_allowed(
    rows: list[int], places: tuple[int, int], most: int
) -> None:
    start, stop = sorted(places)
    found = list(steps(groups_of(rows, rows), start, stop, Most(rows=most)))
    read = [row for step in found for row in range(step.start, step.stop)]
    assert read == list(range(min(start, sum(rows)), min(stop, sum(rows))))
    assert all(len(step.groups) == 1 or sum(group.rows for group in step.groups) <= most for step in found)


def test_what_is_compressed_is_one_piece(tmp_path: Path) -> None:
    import gzip

    file = a_file(tmp_path / "t.csv.gz", gzip.compress(b"a,b\n" + b"1,x\n" * 5000))
    segments = in_pieces(file, mini_batch_bytes=1000)
    assert [s.unit for s in segments] == [WHOLE]
    assert len(everything(segments).rows) == 5000


@pytest.mark.parametrize("name", ["e.csv", "e.jsonl", "e.parquet", "e.arrow", "e.json"])
def test_of_an_empty_file_nothing_is_read(tmp_path: Path, name: str) -> None:
    file = a_file(tmp_path / name, b"")
    assert in_pieces(file) == ()
    assert everything([Segment(file)]).slices == []
