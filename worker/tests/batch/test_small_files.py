"""Small files of delimited text that follow each other and have one header are read at once."""

from pathlib import Path

import pytest

from penstock_worker.batch.small_files import read_together
from penstock_worker.batch.wanted import Columns
from penstock_worker.batch_contract import File, Segment


def small(number: int) -> str:
    return "id,x,note\n" + "".join(f"{3 * number + row},{number / 8 + row},n{row}\n" for row in range(3))


def test_files_with_one_header_are_read_at_once_as_long_as_they_follow_each_other(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    texts = [*map(small, range(500)), "x,id\n2.5,1\n", *map(small, range(20))]
    segments = tuple(Segment(a_file(tmp_path / f"{at}.csv", text, at)) for at, text in enumerate(texts))
    columns = Columns({"x": "double"})
    table, counts = read_together(segments, 0, columns, ["x", "id"])
    assert (table.num_rows, list(counts)) == (1500, [3] * 500)
    assert table["x"].to_pylist() == [number / 8 + row for number in range(500) for row in range(3)]
    assert read_together(segments, 500, columns, ["x"]).table is None
    assert len(read_together(segments, 501, columns, ["x"]).counts) == 20


def test_line_ends_within_quotes_stay_as_they_are(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    text = 'x,note\r\n1,"a\r\nb"\r\n2,"c\nd"\r\n3,e'
    segments = tuple(Segment(a_file(tmp_path / f"{at}.csv", text, at)) for at in range(2))
    table, counts = read_together(segments, 0, Columns({"x": "double", "note": "string"}), None)
    assert list(counts) == [3, 3]
    assert table["note"].to_pylist() == ["a\r\nb", "c\nd", "e"] * 2


def a_file(path: Path, text: str, number: int) -> File:
    path.write_bytes(text.encode())
    found = path.stat()
    return File(number, str(path), path.name, found.st_size, found.st_mtime_ns)
