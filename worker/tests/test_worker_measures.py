"""What an instance says of what it does: latency in buckets, sums in a file, metrics of all its processes."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.running import wait_until

from penstock_worker import contract
from penstock_worker.contract import LATENCY_FLOOR, LATENCY_GROWTH
from penstock_worker.counters import Counters
from penstock_worker.latency import count_in_buckets, cumulated
from penstock_worker.measures import PLACE_BYTES, Measures, told_in, totals_of
from penstock_worker.stages import Stages

BOUNDS = (0.001, 0.01, 0.1, 1.0)


def buckets(seconds: Sequence[float]) -> dict[int, int]:
    counts: dict[int, int] = {}
    count_in_buckets(seconds, counts)
    return counts


@given(st.lists(st.floats(0, 1e7), max_size=100))
def test_each_value_is_in_the_bucket_whose_edges_it_lies_between(seconds: list[float]) -> None:
    expected: Counter[int] = Counter()
    for value in seconds:
        bucket = 0
        while value > LATENCY_FLOOR * LATENCY_GROWTH**bucket and bucket < 255:
            bucket += 1
        expected[bucket] += 1
    assert buckets(seconds) == expected


@given(st.lists(st.floats(1e-5, 10.0), max_size=100))
def test_counts_below_bounds_grow_and_are_right_to_within_a_bucket(seconds: list[float]) -> None:
    told = list(cumulated(buckets(seconds), BOUNDS))
    assert told == sorted(told)
    for bound, count in zip(BOUNDS, told):  # noqa: B905 - Python 3.9
        assert sum(s <= bound / LATENCY_GROWTH for s in seconds) <= count
        assert count <= sum(s <= bound * LATENCY_GROWTH for s in seconds)


def noted(stages: Stages, took: float, status: int = 200, batch: int = 1) -> None:
    stages.note((0.0, 0.0, 0.0, took, 0.0, 1, batch, status, took))
    stages.answered += 1


def test_requests_without_a_result_have_a_latency_too() -> None:
    stages = Stages()
    for _ in range(3):
        noted(stages, 0.01)
    for _ in range(600):
        stages.note_other(400, 0.001)
    stages.note_other(500, 10.0)
    totals = stages.totals()
    assert totals.latency == buckets([0.01] * 3 + [0.001] * 600 + [10.0])
    assert (totals.statuses, totals.others) == ({200: 3}, {400: 600, 500: 1})
    assert totals.latency_seconds == pytest.approx(0.03 + 0.6 + 10.0)


def test_who_takes_the_place_of_an_ended_process_goes_on_from_its_sums(tmp_path: Path) -> None:
    measures = Measures(tmp_path / "sums", places=2)
    for took in (0.1, 0.2):
        stages, counters = Stages(), Counters()
        place = measures.place(1, stages, counters)
        noted(stages, took)
        counters.add("penstock_x_total", 2, kind="a")
        place.write()
    other = Stages()
    noted(other, 0.3)
    whole = measures.place(0, other, Counters()).whole()
    totals = totals_of(whole)
    assert (totals.requests, totals.statuses) == (3, {200: 3})
    assert totals.latency == buckets([0.1, 0.2, 0.3])
    assert Counters.of(whole["counters"]).value("penstock_x_total", kind="a") == 4
    assert totals_of(Measures(tmp_path / "sums").place(0, Stages(), Counters()).whole()).requests == 0, "a new start"


def test_sums_that_are_half_written_are_nothing_and_too_many_counters_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "sums"
    counters = Counters()
    for number in range(5000):
        counters.add("penstock_violations_total", rule=f"rule {number}")
    Measures(path).place(0, Stages(), counters).write()
    content = path.read_bytes()
    told = told_in(content)
    assert told["pid"] == os.getpid()
    assert "counters" not in told
    assert len(content) <= PLACE_BYTES
    assert path.stat().st_mode & 0o077 == 0
    for broken in (b"", content[:6], content[:-1], content[:20] + b"x" + content[21:], bytes(len(content))):
        assert told_in(broken) == {}


def metric(text: str, name: str) -> float:
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def test_metrics_are_of_all_processes_and_outlive_one_of_them(start_worker: Callable[..., Any]) -> None:
    script = """
        import os, time
        def init(): pass
        def run(data):
            if data == "die": os.kill(os.getpid(), 9)
            time.sleep(0.02)
            return os.getpid()
    """
    worker = start_worker(script, **{contract.WORKER_COUNT: "2", contract.MEASURES: "sums"})
    pids = [worker.score("x").body for _ in range(60)]
    while len(set(pids)) < 2:  # who of the two accepts a connection is the kernel's affair
        pids.append(worker.score("x").body)
    refused = [worker.request("POST", "/score", b"\xff").status for _ in range(5)]
    assert refused == [400] * 5

    def metrics(count: int) -> str:
        """Once the process that is asked has heard of so many requests of all."""
        deadline = time.monotonic() + 60
        while True:
            text = str(worker.request("GET", "/metrics").body.decode())
            if metric(text, "penstock_request_duration_seconds_count") == count:
                return text
            assert time.monotonic() < deadline, text
            time.sleep(0.05)

    good, whole = len(pids), len(pids) + 5
    text = metrics(whole)
    assert metric(text, 'penstock_requests_total{status="2xx"}') == good
    assert metric(text, 'penstock_requests_total{status="4xx"}') == 5
    assert metric(text, 'penstock_request_duration_seconds_bucket{le="+Inf"}') == whole
    assert metric(text, 'penstock_request_duration_seconds_bucket{le="0.01"}') <= 5
    assert metric(text, "penstock_request_duration_seconds_sum") >= good * 0.02
    with pytest.raises(OSError):  # noqa: PT011 - of the connection, whichever
        worker.score("die")
    worker.score("x")
    metrics(whole + 1)


TAPED = """
    def init(): pass
    def run(data):
        if data.startswith("bad"): raise ValueError(data)
        return data * (100 if data.startswith("long") else 1)
"""


class Tape:
    """The tape of a running worker, as the platform reads it."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._key = told_in((worker.folder / "app" / "sums").read_bytes())["making"]

    def roll(self, **query: object) -> int:
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return int(self._worker.request("POST", f"/tape?key={self._key}&{words}").status)

    def read(self, since: int = 0) -> list[Any]:
        """Rows, each with its bodies."""
        import json

        found: list[Any] = []
        while True:
            answer = self._worker.request("GET", f"/tape?key={self._key}&since={since}")
            assert answer.status == 200
            head, _, bodies = answer.body.partition(b"\n")
            told = json.loads(head)
            for row in told["exchanges"]:
                request, bodies = bodies[: row["request"]], bodies[row["request"] :]
                reply, bodies = bodies[: row["answer"]], bodies[row["answer"] :]
                found.append({**row, "request": request, "answer": reply})
                since = row["at"]
            assert not bodies
            if not told["more"]:
                return found

    def score(self, body: bytes, name: str, **headers: str) -> int:
        sent = {"x-request-id": name, "content-type": "text/plain", **headers}
        return int(self._worker.request("POST", "/score", body, sent).status)


@pytest.fixture
def taped(start_worker: Callable[..., Any]) -> Tape:
    return Tape(start_worker(TAPED, **{contract.MEASURES: "sums"}))


def test_a_tape_keeps_requests_with_their_answers_while_somebody_wants_it(taped: Tape) -> None:
    taped.score(b"before", "r0")
    assert taped.read() == []
    assert taped.roll(seconds=300) == 200
    assert [taped.score(body, f"r{n}") for n, body in enumerate((b"a", b"bad", b"\xff"), 1)] == [200, 500, 400]
    rows = taped.read()
    assert [(row["id"], row["status"], row["request"]) for row in rows] == [
        ("r1", 200, b"a"),
        ("r2", 500, b"bad"),
        ("r3", 400, b"\xff"),
    ]
    assert (rows[0]["answer"], rows[0]["content_type"]) == (b'"a"', "text/plain")
    assert all(0 < row["seconds"] < 60 for row in rows)
    assert [row["id"] for row in taped.read(rows[0]["at"])] == ["r2", "r3"]


def test_a_tape_ends_by_itself_and_what_it_kept_is_gone(taped: Tape) -> None:
    while not taped.read():
        taped.roll(seconds=0.5)
        taped.score(b"a", "r1")
    wait_until(lambda: not taped.read())
    taped.score(b"after", "r2")
    assert taped.read() == []


def test_a_tape_is_bounded_and_the_oldest_goes_first(taped: Tape) -> None:
    taped.roll(seconds=300)
    assert taped.score(b"x" * 300_000, "too large") == 200
    assert taped.score(b"long" * 1000, "answer too large") == 200
    assert taped.score(b"x", "packed", **{"content-encoding": "gzip"}) == 200
    assert taped.read() == []
    for number in range(60):
        taped.score(b"x" * 100_000, f"r{number}")
    rows = taped.read()
    assert [row["id"] for row in rows] == [f"r{number}" for number in range(60 - len(rows), 60)]
    assert 7_000_000 < sum(len(row["request"]) + len(row["answer"]) for row in rows) <= 8 * 1024 * 1024


def test_a_share_of_the_ids_is_kept_always_the_same_ones(taped: Tape) -> None:
    taped.roll(seconds=300, share=0.3)
    ids = [f"id-{number}" for number in range(200)]
    for name in (*ids, *ids):
        taped.score(b"x", name)
    kept = Counter(row["id"] for row in taped.read())
    assert set(kept.values()) == {2}
    assert 30 < len(kept) < 90


def test_only_who_can_read_the_file_with_the_sums_gets_the_tape(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(TAPED, **{contract.MEASURES: "sums"})
    tape = Tape(worker)
    assert worker.request("POST", "/tape?seconds=9").status == 404
    assert worker.request("GET", "/tape?key=00").status == 404
    for query in ({"seconds": "soon"}, {"share": "much"}):
        assert tape.roll(**query) == 400
    for query in ({"seconds": "nan"}, {"seconds": 9, "share": "nan"}, {"seconds": 0}):
        assert tape.roll(**query) == 200
        tape.score(b"x", "r")
        assert tape.read() == []
