"""Traces of traffic as files say them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.cli.traces import Trace, read_trace
from penstock.domain.errors import PenstockError


def trace(folder: Path, text: str) -> Trace:
    (folder / "t.csv").write_text(text)
    return read_trace(folder / "t.csv", seed=1)


def test_a_line_is_an_arrival(tmp_path: Path) -> None:
    assert list(trace(tmp_path, "time\n10\n10.5\n12\n").arrivals) == [0, 0.5, 2]


def test_dates_are_times_and_say_when_it_began(tmp_path: Path) -> None:
    found = trace(tmp_path, "id,Timestamp\na,2026-11-25T12:00:00Z\nb,2026-11-25T14:00:01+02:00\n")
    assert list(found.arrivals) == [0, 1]
    assert found.began_at == datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_a_line_of_several_is_spread_to_the_next_line(tmp_path: Path) -> None:
    arrivals = list(trace(tmp_path, "time,requests\n0,100\n60,0\n120,50\n").arrivals)
    assert arrivals == sorted(arrivals)
    assert sum(at < 60 for at in arrivals) == 100
    assert sum(120 <= at < 180 for at in arrivals) == 50
    assert arrivals == list(trace(tmp_path, "time,requests\n0,100\n60,0\n120,50\n").arrivals)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "the first line must name the columns"),
        ("a,b\n1,2\n", "the first line must name the columns"),
        ("time\n", "has no times"),
        ("time\n2\n1\n", "line 3: times must rise"),
        ("time\nsoon\n", "line 2: 'soon' is not understood"),
        ("time\nnan\n", "line 2"),
        ("time\n-1\n", "line 2"),
        ("time,requests\n1\n", "line 2"),
        ("time,requests\n1,-5\n", "line 2"),
        ("time,requests\n1,99999999999\n", "simulate 20,000,000 at most"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_line(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(PenstockError, match=part):
        trace(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match="there is no file"):
        read_trace(tmp_path / "t.csv", 1)
