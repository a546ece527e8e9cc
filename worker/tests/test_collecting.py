"""Which records are kept, and what happens when there are too many."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_worker.collection import Collections
from penstock_worker.collector import MOST_RECORDS, Collector
from penstock_worker.counters import Counters
from penstock_worker.record import Content, Record
from penstock_worker.sampling import sampled


def test_a_queue_that_is_full_drops_records_and_never_waits(tmp_path: Path) -> None:
    counters, going_on = Counters(), threading.Event()
    collector = Collector(Collections({"c": 1.0}), str(tmp_path / "e" / "d"), "i", counters)
    collector.open()

    def content() -> Content:
        going_on.wait(30)
        return Content(b"[{}]")

    try:
        taken = [collector.put(Record("c", str(n), "", 0.0, 1, content)) for n in range(MOST_RECORDS + 500)]
        large = [collector.put(Record("c", "large", "", 0.0, 64 * 2**20, content)) for _ in range(2)]
    finally:
        going_on.set()
    collector.close(30)

    dropped = (taken + large).count(False)
    assert 499 <= taken.count(False) <= 500
    assert not any(large)
    assert counters.value("penstock_collected_dropped_total", collection="c") == dropped
    assert counters.value("penstock_collected_total", collection="c") == len(taken) + len(large) - dropped


@given(st.lists(st.binary(min_size=1, max_size=100)), st.floats(0, 1), st.floats(0, 1))
def test_what_a_lower_rate_keeps_a_higher_one_keeps_too(ids: list[bytes], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert {each for each in ids if sampled(each, low)} <= {each for each in ids if sampled(each, high)}
    assert not any(sampled(each, 0) for each in ids)
    assert all(sampled(each, 1) for each in ids)


@pytest.mark.parametrize("form", ["{}", "req-{}", "{:032x}"])
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_the_share_that_is_kept_is_the_one_asked_for_even_of_numbered_ids(form: str, rate: float) -> None:
    kept = sum(sampled(form.format(n).encode(), rate) for n in range(50_000))
    assert abs(kept - 50_000 * rate) < 5 * (50_000 * rate * (1 - rate)) ** 0.5
