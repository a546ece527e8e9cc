"""Parquet files joined without decoding them, held against what pyarrow reads of the parts."""

import base64
import datetime
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock_worker.batch import thrift_compact
from penstock_worker.batch.parquet_join import DifferentSchemasError, join
from penstock_worker.batch.parquet_rewrite import rewrite

TYPES: dict[Any, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=20),
    pa.binary(): st.binary(max_size=20),
    pa.dictionary(pa.int32(), pa.string()): st.sampled_from(["low", "high", ""]),
    pa.timestamp("us", "UTC"): st.integers(-(2**50), 2**50).map(
        lambda us: datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=us)
    ),
    pa.date32(): st.dates(),
    pa.decimal128(10, 2): st.decimals(-1000, 1000, places=2),
    pa.list_(pa.int32()): st.lists(st.integers(-5, 5), max_size=3),
    pa.struct([("a", pa.int16()), ("b", pa.string())]): st.fixed_dictionaries(
        {"a": st.integers(0, 9), "b": st.text(max_size=3)}
    ),
    pa.null(): st.none(),
}


@st.composite
def tables(draw: st.DrawFn) -> list[pa.Table]:
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=5))
    schema = pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)])

    def table(rows: int) -> pa.Table:
        values = (st.lists(st.none() | TYPES[kind], min_size=rows, max_size=rows) for kind in kinds)
        return pa.table([pa.array(draw(v), f.type) for v, f in zip(values, schema, strict=True)], schema=schema)

    return [table(rows) for rows in draw(st.lists(st.sampled_from([0, 1, 7]), min_size=1, max_size=4))]


HOW = st.fixed_dictionaries(
    {
        "row_group_size": st.sampled_from([2, 100]),
        "compression": st.sampled_from(["NONE", "SNAPPY", "ZSTD"]),
        "use_dictionary": st.booleans(),
        "write_statistics": st.booleans(),
        "write_page_index": st.booleans(),
        "write_page_checksum": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "version": st.sampled_from(["1.0", "2.6"]),
    }
)


@given(tables(), HOW)
@settings(max_examples=30)
def test_a_join_has_the_rows_of_its_parts_whatever_the_schema(rows: list[pa.Table], how: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parts = write(Path(folder), rows, **how)
        expected = pa.concat_tables([pq.read_table(part) for part in parts])
        joined = joined_from(Path(folder), parts)
        found = pq.read_table(joined)
        assert found.schema.equals(expected.schema)
        assert found.equals(expected)
        with pq.ParquetFile(joined) as file:
            assert file.metadata.num_rows == expected.num_rows
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            assert sum(group.num_rows for group in groups) == expected.num_rows
            for number, group in enumerate(groups):
                assert file.read_row_group(number).num_rows == group.num_rows > 0


def test_statistics_stay_and_row_groups_are_found_by_them(tmp_path: Path) -> None:
    parts = write(tmp_path, [pa.table({"id": range(n, n + 100)}) for n in (0, 100, 200)], write_page_index=True)
    joined = joined_from(tmp_path, parts)
    with pq.ParquetFile(joined) as file:
        columns = [file.metadata.row_group(number).column(0) for number in range(3)]
        assert [(c.statistics.min, c.statistics.max) for c in columns] == [(0, 99), (100, 199), (200, 299)]
        assert not any(c.has_offset_index or c.has_column_index for c in columns)
    assert pq.read_table(joined, filters=[("id", ">", 250)]).num_rows == 49


def test_others_read_it_and_what_others_wrote_can_be_joined(tmp_path: Path) -> None:
    frames = [pl.DataFrame({"a": [n, None], "s": ["x", str(n)], "l": [[n], []]}) for n in range(5)]
    parts = [tmp_path / f"{number}.parquet" for number in range(5)]
    for frame, part in zip(frames, parts, strict=True):
        frame.write_parquet(part, row_group_size=1)
    joined = joined_from(tmp_path, parts)
    assert pl.read_parquet(joined).equals(pl.concat(frames))
    assert pq.read_table(joined).to_pylist() == pl.concat(frames).to_dicts()
    assert pl.scan_parquet(joined).filter(pl.col("a") == 3).collect().height == 1


def test_bloom_filters_move_with_their_pages(tmp_path: Path) -> None:
    rows = [pa.table({"id": [n, n + 1]}) for n in (0, 1000)]
    parts = write(tmp_path, rows, bloom_filter_options={"id": {"ndv": 10, "fpp": 0.1}})
    before = [filters for part in parts for filters in bloom_filters(part)]
    assert before[0] != before[1]
    assert bloom_filters(joined_from(tmp_path, parts)) == before


def test_a_join_can_be_joined_again(tmp_path: Path) -> None:
    parts = write(tmp_path, [pa.table({"a": [n]}) for n in range(20)])
    half = joined_from(tmp_path, parts, "half")
    again = joined_from(tmp_path, [half, *parts], "again")
    assert pq.read_table(again)["a"].to_pylist() == [*range(20), *range(20)]


def test_what_tells_of_the_rows_of_one_part_is_not_said_of_all(tmp_path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({"pandas": "{}"})
    path = tmp_path / "0.parquet"
    with pq.ParquetWriter(path, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"rows": "one"})
    metadata = pq.read_metadata(joined_from(tmp_path, [path, path])).metadata
    assert set(metadata) == {b"ARROW:schema"}
    assert base64.b64decode(metadata[b"ARROW:schema"])


def test_no_more_than_three_files_are_open_however_many_parts_there_are(tmp_path: Path) -> None:
    part = write(tmp_path, [pa.table({"a": [1, 2]})])[0]
    idle = len(os.listdir("/proc/self/fd"))
    most = idle

    def beat() -> None:
        nonlocal most
        most = max(most, len(os.listdir("/proc/self/fd")))

    join([part] * 200, tmp_path / "joined", beat)
    assert most - idle <= 3
    assert pq.read_metadata(tmp_path / "joined").num_rows == 400


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(pa.array([1]), pa.array([0.5]), pa.array([1.0, 0.5]), id="integers, and floats because of nulls"),
        pytest.param(pa.array([1], pa.int8()), pa.array([300]), pa.array([1, 300]), id="narrow and wide integers"),
        pytest.param(
            pa.array([200], pa.uint8()),
            pa.array([-1], pa.int8()),
            pa.array([200, -1], pa.int16()),
            id="with signs or not",
        ),
        pytest.param(pa.array([None]), pa.array(["x"]), pa.array([None, "x"]), id="only nulls, and text"),
        pytest.param(
            pa.array(["x"]).dictionary_encode(), pa.array(["y"]), pa.array(["x", "y"]), id="a dictionary, and none"
        ),
        pytest.param(pa.array([7]), pa.array(["7a"]), pa.array(["7", "7a"]), id="numbers, and text that is none"),
        pytest.param(
            pa.array([1], pa.timestamp("ms")),
            pa.array([1], pa.timestamp("us")),
            pa.array([1000, 1], pa.timestamp("us")),
            id="times of either unit",
        ),
        pytest.param(pa.array([[1]]), pa.array([[0.5]]), pa.array([[1.0], [0.5]]), id="lists of either"),
    ],
)
def test_parts_that_differ_are_no_join_but_rewritten_with_a_type_for_both(
    tmp_path: Path, one: Any, other: Any, expected: Any
) -> None:
    parts = write(tmp_path, [pa.table({"a": one}), pa.table({"a": other})])
    with pytest.raises(DifferentSchemasError):
        joined_from(tmp_path, parts)
    rewrite(lambda: parts, tmp_path / "rewritten", lambda: None)
    assert pq.read_table(tmp_path / "rewritten")["a"].combine_chunks().equals(expected)


def test_columns_that_a_part_lacks_have_nulls(tmp_path: Path) -> None:
    field = pa.field("b", pa.int64(), nullable=False)
    parts = write(tmp_path, [pa.table({"a": [1]}), pa.table([[2], [3]], schema=pa.schema([("a", pa.int64()), field]))])
    rewrite(lambda: parts, tmp_path / "rewritten", lambda: None)
    assert pq.read_table(tmp_path / "rewritten").to_pydict() == {"a": [1, 2], "b": [None, 3]}


def test_columns_of_one_name_are_refused_where_they_would_be_confused(tmp_path: Path) -> None:
    twice = pa.table([[1], [2]], names=["a", "a"])
    with pytest.raises(ValueError, match="same name"):
        rewrite(lambda: write(tmp_path, [twice]), tmp_path / "rewritten", lambda: None)
    assert pq.ParquetFile(joined_from(tmp_path, write(tmp_path, [twice, twice]))).metadata.num_rows == 2


def test_nullable_and_not_are_rewritten(tmp_path: Path) -> None:
    strict = pa.schema([pa.field("a", pa.int64(), nullable=False)])
    parts = write(tmp_path, [pa.table([[1]], schema=strict), pa.table({"a": [None, 2]})])
    with pytest.raises(DifferentSchemasError):
        joined_from(tmp_path, parts)
    rewrite(lambda: parts, tmp_path / "rewritten", lambda: None)
    assert pq.read_table(tmp_path / "rewritten").to_pydict() == {"a": [1, None, 2]}


def test_small_parts_become_large_row_groups_when_rewritten(tmp_path: Path) -> None:
    parts = write(tmp_path, [pa.table({"a": [n], "s": [str(n)]}) for n in range(200)], compression="ZSTD")
    rewrite(lambda: parts, tmp_path / "rewritten", lambda: None)
    metadata = pq.read_metadata(tmp_path / "rewritten")
    assert (metadata.num_rows, metadata.num_row_groups) == (200, 1)
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert pq.read_table(tmp_path / "rewritten")["a"].to_pylist() == list(range(200))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: data[:-1], id="cut at the end"),
        pytest.param(lambda data: data[4:], id="cut at the begin"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1", id="a footer longer than the file"),
        pytest.param(lambda data: data[:-40] + b"\xff" * 32 + data[-8:], id="rubbish in the footer"),
    ],
)
def test_what_is_no_parquet_file_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    part = write(tmp_path, [pa.table({"a": [1, 2]})])[0]
    part.write_bytes(spoil(part.read_bytes()))
    with pytest.raises((ValueError, DifferentSchemasError)):
        joined_from(tmp_path, [part])


def write(folder: Path, rows: list[pa.Table], **how: Any) -> list[Path]:
    parts = [folder / f"{number}.parquet" for number in range(len(rows))]
    for table, part in zip(rows, parts, strict=True):
        pq.write_table(table, part, **how)
    return parts


def joined_from(folder: Path, parts: list[Path], name: str = "joined") -> Path:
    to = folder / name
    to.unlink(missing_ok=True)
    join(parts, to, lambda: None)
    return to


def bloom_filters(file: Path) -> list[bytes]:
    """The bytes of each, found by the offset in the footer."""
    data = file.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    groups = thrift_compact.read(data[-8 - length : -8], {4: {1: {3: {}}}})[4][1]
    columns = [group[1][1][0][3][1] for group in groups]
    return [data[column[14][1] :][: column[15][1]] for column in columns]
