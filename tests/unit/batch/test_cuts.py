"""Big files are cut by several workers at once, each in a stretch of its own: the pieces together are the file."""

import csv
import io
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.input_files import a_file, an_order, everything

from penstock.batch.cuts import Cuts, cut_id
from penstock_worker.batch.cutting import cut
from penstock_worker.batch_contract import BYTES, WHOLE, File, Segment

_VALUES = ["a", "", "é", "two\nlines", '"', "x,y", "\n\n", 'say "so",\n"no"', "long " * 9]


def in_stretches(file: File, stretch_bytes: int, order: Any, seed: int = 0) -> list[Segment]:
    """As a job has it done: in any order, and with workers that die before they tell."""
    choose = random.Random(seed)
    held: dict[str, Any] = {}
    cuts = Cuts(1, lambda: held, stretch_bytes)
    cuts.ask([file])
    for _ in range(2000):
        while (task := cuts.next()) is not None:
            held[task.id] = task
        task = held.pop(choose.choice(sorted(held)))
        if choose.random() < 0.2:
            cuts.ask([file])  # the planner looks again, and misses it
            continue
        found = cuts.take(task.id, [each for stretch in task.segments for each in cut(stretch, order)])
        if found is not None:
            assert not cuts
            return list(found)
    raise AssertionError("it does not end")


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from(_VALUES), st.sampled_from(["", "\n"])), min_size=1, max_size=60),
    stretch=st.integers(20, 400),
    size=st.integers(5, 150),
    line_end=st.sampled_from(["\n", "\r\n"]),
    seed=st.integers(0, 9),
)
def test_a_csv_file_cut_in_stretches_has_every_row_once_with_its_number(
    rows: list[tuple[str, str]], stretch: int, size: int, line_end: str, seed: int, tmp_path_factory: Any
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    writer.writerow(["n", "s"])
    for number, (value, blank) in enumerate(rows):
        writer.writerow([number, value])
        text.write(line_end if blank else "")
    file = a_file(tmp_path_factory.getbasetemp() / "stretches.csv", text.getvalue().encode())
    order = an_order(mini_batch_bytes=size)
    segments = in_stretches(file, stretch, order, seed)

    found = everything(segments, {"n": "long", "s": "string"})
    assert [(number, row["n"]) for number, row in found.rows] == [(n, n) for n in range(len(rows))]
    assert [segment.rows for segment in segments if not segment.rows] == []
    assert sum(segment.rows for segment in segments) == len(rows)


def test_json_lines_are_cut_in_stretches(tmp_path: Any) -> None:
    lines = "".join(f'{{"n": {number}, "s": "\\"{number}"}}\n' for number in range(500))
    segments = in_stretches(a_file(tmp_path / "rows.jsonl", lines.encode()), 1000, an_order(mini_batch_bytes=400))
    assert len(segments) > 20
    assert [(number, row["n"]) for number, row in everything(segments).rows] == [(n, n) for n in range(500)]


def test_a_file_that_cannot_be_cut_is_one_piece_however_many_stretches_it_has(tmp_path: Any) -> None:
    import gzip

    file = a_file(tmp_path / "t.csv.gz", gzip.compress(b"a,b\n" + random.Random(1).randbytes(3000).hex().encode()))
    assert [each.unit for each in in_stretches(file, 500, an_order())] == [WHOLE]


def test_what_is_under_way_is_not_asked_again_and_what_is_known_neither() -> None:
    held: list[str] = []
    file = File(3, "/d/big.csv", "big.csv", 1000, 1)
    cuts = Cuts(1, lambda: held, 100)
    cuts.ask([file])
    assert len(cuts) == 10
    first = cuts.next()
    assert first is not None
    held.append(first.id)
    cuts.take(cut_id(3, 5), [Segment(file, BYTES, 510, 100, 0, 2)])
    cuts.ask([file])
    assert len(cuts) == 9
    cuts.drop(3)
    assert not cuts
    assert cuts.take(first.id, []) is None


def test_a_stretch_that_begins_between_quotes_does_not_spoil_the_file(tmp_path: Any, monkeypatch: Any) -> None:
    """Whoever takes the inside of a text for records finds none, or one that is far too long."""
    for module in ("cutting", "text_pieces"):
        monkeypatch.setattr(f"penstock_worker.batch.{module}.LONGEST_RECORD", 600)
    monkeypatch.setattr("penstock_worker.batch.cutting._BLOCK_BYTES", 50)
    text = '"' + "\n".join(',""' if line % 4 == 0 else "ab" for line in range(100)) + ',"'
    data = "n,s\n" + "".join(f"{number},{text if number == 7 else 'x'}\n" for number in range(400))
    file = a_file(tmp_path / "text.csv", data.encode())
    for stretch in range(40, 300, 23):
        segments = in_stretches(file, stretch, an_order(mini_batch_bytes=30))
        assert [row["n"] for row in everything(segments, {"n": "long", "s": "string"}).values] == list(range(400))
