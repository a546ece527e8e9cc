"""Rows of files that differ in their columns: nothing that is to be kept gets lost, whatever the form of output."""

import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from penstock_worker.batch.column_names import ColumnNames
from penstock_worker.batch.finishing import finish
from penstock_worker.batch.output_rows import OutputRows
from penstock_worker.batch.part_files import PartFiles
from penstock_worker.batch.parts import Parts
from penstock_worker.batch_contract import FINISH, ManifestLine, Order, Task

FIRST = pa.table({"id": [1, 2], "prediction": [0.5, 1.5]})
MORE = pa.table({"id": [3], "note": pa.array(["a, b"]), "prediction": [2.5]})
FEWER = pa.table({"prediction": [3.5]})
TEXTS = pa.table({"id": ["x4"], "prediction": [4.5]})
LAST = pa.table({"id": [5], "prediction": [5.5]})

WANTED = [
    {"id": "1", "prediction": 0.5, "note": None},
    {"id": "2", "prediction": 1.5, "note": None},
    {"id": "3", "prediction": 2.5, "note": "a, b"},
    {"id": None, "prediction": 3.5, "note": None},
    {"id": "x4", "prediction": 4.5, "note": None},
    {"id": "5", "prediction": 5.5, "note": None},
]


@pytest.mark.parametrize("group_rows", [1, 1000], ids=["written at once", "held back"])
@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_the_output_has_the_columns_of_all_files_and_no_value_where_one_has_none(
    tmp_path: Path, form: str, group_rows: int
) -> None:
    order = Order(
        "j",
        "append_row",
        form,
        "one_file",
        "predictions.csv",
        str(tmp_path / "out"),
        ("*",),
        mini_batch_rows=group_rows,
    )
    (tmp_path / "parts").mkdir()
    lines: list[ManifestLine] = []
    for number, tables in enumerate([(FIRST, MORE, FEWER), (TEXTS, LAST)]):
        # Another worker each.
        parts = Parts(PartFiles(tmp_path), Task(f"m{number}", "score", 1), order, ColumnNames(tmp_path, grow=True))
        for table in tables:
            parts.write(0, table)
        lines += [ManifestLine(part.name, part.kind, "", part.rows) for part in parts.place()]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(vars(line)) + "\n" for line in lines))
    result = finish(tmp_path, Task("finish", FINISH, 1, manifest=str(manifest)), order, lambda: None)
    assert (result.reason, result.rows_out) == ("", 6)
    assert rows(tmp_path / "out", form) == WANTED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([{"a": 1}]), pa.array([{"b": "x"}])),
        (pa.array([[{"a": 1}]]), pa.array([[{"b": 2}]])),
        (pa.array([[1]]), pa.array(["x"])),
        (pa.array([{}], pa.struct([])), pa.array([{"a": 1}])),
        (pa.array([b"\xff"]), pa.array(["x"])),
    ],
    ids=["objects", "lists of objects", "a list and a text", "an empty object", "bytes and a text"],
)
def test_files_whose_columns_are_of_types_without_a_common_one_come_out_as_json_texts(
    tmp_path: Path, one: Any, other: Any
) -> None:
    (tmp_path / "parts").mkdir()
    lines: list[ManifestLine] = []
    order = Order("j", "append_row", "parquet", "one_file", "p.parquet", str(tmp_path / "out"), ("*",))
    for number, columns in enumerate([(one,), (other,), (one, other)]):
        parts = Parts(PartFiles(tmp_path), Task(f"m{number}", "score", 1), order, ColumnNames(tmp_path, grow=True))
        for column in columns:
            parts.write(0, pa.table({"id": pa.array([1]), "c": column}))
        lines += [ManifestLine(part.name, part.kind, "", part.rows) for part in parts.place()]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(vars(line)) + "\n" for line in lines))
    result = finish(tmp_path, Task("finish", FINISH, 1, manifest=str(manifest)), order, lambda: None)
    assert (result.reason, result.rows_out) == ("", 4)
    found = pq.read_table(tmp_path / "out" / "p.parquet").column("c")
    assert found.null_count == 0
    assert found.slice(0, 2).equals(found.slice(2, 2))


@pytest.mark.parametrize(
    ("column", "form", "text"),
    [
        (pa.array([uuid.UUID(int=5).bytes], pa.uuid()), "csv", "00000000-0000-0000-0000-000000000005"),
        (pa.array([b"\xff"], pa.binary(1)), "csv", '"""/w=="""'),
        (pa.array([7], pa.duration("s")), "csv", "7"),
        (pa.array([7], pa.duration("s")), "jsonl", '{"c":7}'),
        (pa.array([10**15], pa.timestamp("s")), "jsonl", '{"c":"<value out of range: 1000000000000000>"}'),
        (pa.array([Decimal("1.50")]), "csv", "1.50"),
    ],
    ids=["uuid", "bytes", "duration", "duration in json", "a time of far away", "decimal"],
)
def test_kept_columns_of_any_type_can_be_written(tmp_path: Path, column: Any, form: str, text: str) -> None:
    (tmp_path / "parts").mkdir()
    order = Order("j", "append_row", form, "one_file", "p", str(tmp_path / "out"), ("c",))
    parts = Parts(PartFiles(tmp_path), Task("m", "score", 1), order, ColumnNames(tmp_path))
    parts.write(0, pa.table({"c": column}))
    (part,) = parts.place()
    assert (tmp_path / "parts" / part.name).read_text() == text + "\n"


def test_a_prediction_takes_no_name_of_a_kept_column() -> None:
    order = Order("j", "append_row", "parquet", "one_file", "p", "/out", ("*",))
    kept = pa.table({"prediction": [1], "model_prediction": [2]})
    table = OutputRows(order, pa, pc).table(kept, pa.array([0]), pa.array(["f"]), {"prediction": pa.array([3])})
    assert table.to_pylist() == [{"prediction": 1, "model_prediction": 2, "model_model_prediction": 3}]


def test_columns_that_must_be_the_same_may_not_grow(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    assert ColumnNames(tmp_path).agreed(["a", "b"]) == ["a", "b"]
    with pytest.raises(ValueError, match="its columns are a, c; those of other mini-batches are a, b"):
        ColumnNames(tmp_path).agreed(["a", "c"])


def rows(folder: Path, form: str) -> list[dict[str, Any]]:
    """The rows of the only file, with ids as texts."""
    (path,) = (path for path in folder.iterdir() if path.is_file())
    if form == "parquet":
        return [{**row, "id": row["id"]} for row in pq.read_table(path).to_pylist()]
    if form == "jsonl":
        told = [json.loads(line) for line in path.read_text().splitlines()]
        return [{"id": None, "note": None, **row, **({"id": str(row["id"])} if "id" in row else {})} for row in told]
    header, *lines = path.read_text().splitlines()
    assert header == "id,prediction,note"
    found = [line.split(",", 2) for line in lines]
    return [{"id": i or None, "prediction": float(p), "note": n.strip('"') or None} for i, p, n in found]
