"""Files that are broken, or made to break something: each row is read or rejected once, or the file is set aside."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from support.input_files import a_file, everything, in_pieces

from penstock_worker.batch.file_kind import kind_of_file
from penstock_worker.batch.names import distinct
from penstock_worker.batch.parquet_rows import ParquetRows
from penstock_worker.batch.reading import UnreadableError
from penstock_worker.batch.row_groups import Most
from penstock_worker.batch.text_pieces import Pace, Text
from penstock_worker.batch_contract import Segment

NO_TEXT = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff"))


def rows_of(path: Path, data: bytes, types: dict[str, str] | None = None) -> Any:
    return everything([Segment(a_file(path, data))], types)


@pytest.mark.parametrize(("name", "data"), [("t.json", b"[{}, 5, {}]"), ("t.jsonl", b"{}\n5\n{}\n")])
def test_objects_without_fields_are_rows(tmp_path: Path, name: str, data: bytes) -> None:
    found = rows_of(tmp_path / name, data, {"x": "double"})
    assert [number for number, _ in found.rows] == [0, 2]
    assert [reject.row for reject in found.rejects] == [1]


@pytest.mark.parametrize("data", [b'null\n{"a": 1}\n', b'\n {"a": 1}\n \tnull\r\n'])
def test_a_line_of_null_is_no_row_and_ends_no_worker(tmp_path: Path, data: bytes) -> None:
    found = rows_of(tmp_path / "t.jsonl", data)
    assert [row for _, row in found.rows] == [{"a": 1}]
    assert [reject.reason for reject in found.rejects] == ["expected an object, got null"]


@pytest.mark.parametrize(("name", "lines"), [("t.json", b"[%s, %s]"), ("t.jsonl", b"%s\n%s\n5\n")])
@pytest.mark.parametrize(
    ("types", "one", "other"),
    [
        ({"a": "long"}, 1, 0.5),
        ({"a": "double"}, 1.5, True),
        (None, [1], [0.5]),
        (None, {"b": 1}, {"b": 1, "c": "x"}),
    ],
    ids=["part of a whole number", "a truth for a number", "list", "object"],
)
def test_values_of_json_are_not_cut_to_the_type_of_others(
    tmp_path: Path, name: str, lines: bytes, types: dict[str, str] | None, one: Any, other: Any
) -> None:
    rows = [json.dumps({"a": value}).encode() for value in (one, other)]
    # The types are those of the beginning of the file.
    many = b"\n".join([rows[0]] * 100_000) + b"\n" if name == "t.jsonl" else b""
    found = rows_of(tmp_path / name, many + lines % tuple(rows), types)
    values = [row["a"] for row in found.values[-2:]]
    told = [json.loads(value) if isinstance(value, str) else without_nulls(value) for value in values]
    assert told == [one, other]
    assert isinstance(told[1], bool) == isinstance(other, bool)  # true is 1 for Python


@pytest.mark.parametrize("more", [b'\n[{"a": 2}]', b" and more"])
def test_what_follows_an_array_of_rows_is_not_passed_over(tmp_path: Path, more: bytes) -> None:
    with pytest.raises(UnreadableError, match="something follows its array of rows"):
        rows_of(tmp_path / "t.json", b'[{"a": 1}]' + more)


@pytest.mark.parametrize("half", [b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": "q", "b": {"c": "\\ud800"}}'])
def test_a_row_with_half_a_character_is_rejected_alone(tmp_path: Path, half: bytes) -> None:
    found = rows_of(tmp_path / "t.jsonl", b'{"a": "x"}\n5\n' + half + b'\n{"a": "y"}\n')
    assert found.rows == [(0, {"a": "x"}), (3, {"a": "y"})]
    assert [row for row, _ in found.rejects] == [1, 2]
    assert "half of a character" in found.rejects[1].reason


def test_a_quote_that_is_missing_in_the_header_sets_the_file_aside(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match=r"header cannot be read.*is a quote missing"):
        rows_of(tmp_path / "t.csv", b'"a,b\n' + b"1,2\n" * 40_000)


def test_any_number_of_returns_is_read_in_blocks_that_are_no_longer_for_it(tmp_path: Path) -> None:
    data = b"a\r1\r" + b"\r" * 5000 + b"2\r\n\r\n3\r"
    file = a_file(tmp_path / "t.csv", data)
    for size in (1, 2, 7, 100):
        with open(file.path, "rb", buffering=0) as stream:
            blocks = list(Text(stream, kind_of_file(file.name)).blocks(Pace(size)))
        assert b"".join(blocks) == data
        assert max(map(len, blocks)) <= size + 2
        assert not any(one.endswith(b"\r") and other.startswith(b"\n") for one, other in pairwise(blocks))
    assert [row["a"] for row in everything(in_pieces(file)).values] == [1, 2, 3]


def test_very_many_columns_are_named_in_time() -> None:
    names = [*(f"c{number}" for number in range(100_000)), *["twice"] * 100_000]
    assert distinct(names, None)[-1] == "twice.99999"


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_texts_that_are_no_texts_set_their_table_aside_with_the_column(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    written(pa.table({"s": NO_TEXT}), path)
    with pytest.raises(UnreadableError, match=r"column 's'.*Invalid UTF8"):
        everything([Segment(a_file(path))])


@pytest.mark.parametrize(
    "column", [pa.array([[1] * 12345], pa.list_(pa.int8())), pa.array(["a" * 12345])], ids=["list", "text"]
)
def test_an_arrow_file_that_points_outside_of_itself_is_set_aside(tmp_path: Path, column: Any) -> None:
    path = tmp_path / "t.arrow"
    written(pa.table({"c": column}), path)
    begin, found, rest = path.read_bytes().rpartition(bytes(4) + (12345).to_bytes(4, "little"))
    assert found
    with pytest.raises(UnreadableError, match="column 'c'"):
        rows_of(path, begin + bytes(4) + (1 << 30).to_bytes(4, "little") + rest)


def test_a_place_behind_the_end_of_a_dictionary_that_was_sound_before_is_found(tmp_path: Path) -> None:
    words, path = pa.array(["a", "b"]), tmp_path / "t.arrow"
    with pa.ipc.new_file(str(path), pa.schema([("c", pa.dictionary(pa.int32(), pa.string()))])) as file:
        for place in (1, 77):
            places = pa.array([place], pa.int32())
            encoded = pa.DictionaryArray.from_arrays(places, words, safe=False)
            file.write_batch(pa.record_batch([encoded], ["c"]))
    with pytest.raises(UnreadableError, match="column 'c': it points behind the end of its dictionary"):
        everything([Segment(a_file(path))])


def test_a_footer_that_tells_of_more_rows_than_there_are_sets_the_file_aside(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table({"a": list(range(50))}), path)
    with open(path, "rb", buffering=0) as stream:
        rows = ParquetRows(stream)
        rows.groups = [rows.groups[0]._replace(rows=54)]
        with pytest.raises(ValueError, match="not as many rows as its footer says"):
            list(rows.read(0, 54, 16, Most()))
        with pytest.raises(ValueError, match="not as many rows as its footer says"):
            list(rows.read(0, 54, 16, Most(rows=10)))


def without_nulls(value: Any) -> Any:
    return {name: inner for name, inner in value.items() if inner is not None} if isinstance(value, dict) else value


def written(table: Any, path: Path) -> None:
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
        return
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table)
