"""Histograms of latency: percentiles to within a bucket, merged and subtracted as if values had been kept."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry.series import Histogram, Spread, Window, bucket_of, joined, merged
from penstock_worker.contract import LATENCY_FLOOR, LATENCY_GROWTH

SECONDS = st.lists(st.floats(1e-4, 100.0), min_size=1, max_size=200)


def of(values: list[float]) -> Histogram:
    return Histogram(Counter(map(bucket_of, values)))


@given(SECONDS, st.floats(0.01, 1.0))
def test_a_percentile_is_at_most_one_bucket_away_from_the_value_of_that_rank(values: list[float], share: float) -> None:
    exact = sorted(values)[max(0, min(len(values) - 1, -int(-share * len(values) // 1) - 1))]
    found = of(values).percentile(share)
    assert found is not None
    assert exact / LATENCY_GROWTH**1.001 <= found <= exact * LATENCY_GROWTH**1.001


@given(SECONDS, SECONDS)
def test_merged_histograms_are_the_histogram_of_all_values(first: list[float], second: list[float]) -> None:
    both = merged([of(first), of(second)])
    assert both == of(first + second)
    assert both.since(of(first)) == of(second)


def test_no_values_have_no_percentile_and_tiny_ones_lie_below_the_floor() -> None:
    assert Histogram().percentile(0.5) is None
    assert of([0.0, 1e-9]).percentile(1.0) == pytest.approx(LATENCY_FLOOR)


def test_windows_that_follow_each_other_are_one_weighed_by_time_and_requests() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    ends = [noon + timedelta(seconds=s) for s in (0, 1, 4, 9)]
    first = Window(start=ends[0], end=ends[1], seconds=1, requests=10, queue_seconds=0.1, concurrency=4, ready=1)
    second = Window(start=ends[1], end=ends[2], seconds=3, requests=30, queue_seconds=0.3, concurrency=8, ready=2)
    unknown = Window(start=ends[2], end=ends[3], concurrency=99)
    whole = joined([first, replace(second, cpu=Spread(0.1, 0.5, 0.9)), unknown], ends[0], ends[3])
    assert (whole.seconds, whole.requests, whole.concurrency, whole.ready) == (4, 40, 7, 1.75)
    assert whole.queue_seconds == pytest.approx(0.25)
    assert whole.cpu == Spread(0.1, 0.5, 0.9)
    assert joined([], noon, noon).seconds == 0
