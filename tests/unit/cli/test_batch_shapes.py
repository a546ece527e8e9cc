"""Jobs as people read them, and the line that says how far one is."""

import io
from typing import Any

import pytest

from penstock.cli.batch_shapes import duration, job_text, progress_line, share_done
from penstock.cli.following import Line
from penstock.domain.job import JobProgress

PROGRESS = JobProgress(files_total=64, files_done=3).model_dump()
ROW: dict[str, Any] = {
    "name": "nightly",
    "status": "Running",
    "message": None,
    "endpoint_name": "fraud",
    "deployment_name": "first",
    "dry_run": False,
    "attempt": 1,
    "workers": 4,
    "counted_in": "rows",
    "inputs": {"UriFolder": {"path": "/data"}},
    "outputs": {},
    "since": None,
    "started_at": None,
    "ended_at": None,
}


def row(status: str = "Running", **progress: Any) -> dict[str, Any]:
    told = {**PROGRESS, **progress}
    return {**ROW, "status": status, "progress": told, "done": share_done(told)}


@pytest.mark.parametrize(
    ("progress", "share"),
    [
        ({}, None),
        ({"mini_batches_total": 4, "mini_batches_done": 1}, "25 %"),
        ({"mini_batches_total": 4, "bytes_total": 1000, "bytes_done": 999}, "99 %"),
        ({"bytes_total": 10, "bytes_done": 1, "rows_total": 3, "rows_done": 1}, "33 %"),
        ({"rows_total": 3, "rows_done": 4}, "100 %"),
        ({"rows_total": 0, "bytes_total": 0}, None),
    ],
)
def test_the_share_that_is_done_is_by_the_best_measure_there_is(progress: dict[str, Any], share: str | None) -> None:
    assert share_done({**PROGRESS, **progress}) == share


def test_the_line_says_rows_files_rate_and_time_left() -> None:
    line = progress_line(
        row(rows_total=5_000_000, rows_done=2_000_000, rows_per_second=250_000.4, seconds_left=12.2, rows_rejected=7)
    )
    assert line == (
        "Running  40 %  2,000,000 of 5,000,000 rows  3 of 64 files  7 rejected  250,000 rows/s  0:12 left  4 workers"
    )
    assert progress_line({**row("Queued", files_total=None), "workers": 0, "message": "no room"}) == "Queued  no room"


def test_of_a_script_items_are_told_and_files_of_a_second() -> None:
    scripted = {**row(rows_done=20, items_done=900, rows_per_second=5.0, files_skipped=2), "counted_in": "items"}
    assert progress_line(scripted) == "Running  3 of 64 files  900 items  2 set aside  5 files/s  4 workers"
    lines = [line.split(maxsplit=1) for line in job_text(scripted).splitlines()]
    assert ["items", "900"] in lines
    assert ["rate", "5 files/s"] in lines
    assert "rows" not in dict(lines)


def test_a_job_in_a_few_lines_leaves_out_what_is_not_known() -> None:
    text = job_text(row(rows_done=12, rows_per_second=3.0))
    lines = [line.split(maxsplit=1) for line in text.splitlines()]
    assert ["rows", "12, 0 rejected"] in lines
    assert ["files", "3 of 64, 0 failed, 0 set aside"] in lines
    assert ["input", "UriFolder  /data"] in lines
    assert "since" not in dict(lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (11.6, "0:12"), (187, "3:07"), (7384, "2:03:04"), (359_999.6, "100:00:00")]
)
def test_durations_are_as_clocks_show_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_where_nobody_watches_each_change_is_a_line() -> None:
    stream = io.StringIO()
    line = Line(stream)
    for text in ("1 %", "1 %", "2 %"):
        line.write(text)
    line.end()
    assert stream.getvalue() == "1 %\n2 %\n"


def test_a_terminal_sees_one_line_that_changes() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    line = Line(stream)
    for text in ("1 %", "1 %", "2\x1b%"):
        line.write(text)
    line.end()
    line.end()
    assert stream.getvalue() == "\r\x1b[K1 %\r\x1b[K2 %\n"
