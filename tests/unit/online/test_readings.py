"""Metrics of rules, from what was measured."""

from datetime import UTC, datetime, timedelta

import pytest

from penstock.domain.autoscale_rule import Rule
from penstock.online.readings import Instances, WindowReadings
from penstock.telemetry.series import Histogram, Spread, Window, bucket_of
from penstock.testing.windows import RecordedWindows

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
NAME = "wine/blue"


def readings(seconds: int = 300, *, before: int = 0) -> WindowReadings:
    """Of two instances: an even minute is busier than the one before it. Measured until `before` seconds ago."""
    windows = RecordedWindows()
    for ago in range(before + 1, seconds + 1):
        busy = (ago - 1) // 60 % 2 == 0
        windows.put(
            NAME,
            Window(
                start=NOON - timedelta(seconds=ago),
                end=NOON - timedelta(seconds=ago - 1),
                seconds=1.0,
                requests=10 if busy else 4,
                latency=Histogram({bucket_of(0.1): 9, bucket_of(1.0): 1} if busy else {bucket_of(0.1): 4}),
                queue_seconds=0.01,
                concurrency=2.0 if busy else 0.5,
                ready=2.0,
                cpu=Spread(0.2, 0.5, 0.8) if busy else Spread(0.1, 0.2, 0.3),
            ),
        )
    return WindowReadings(windows, NAME, NOON, Instances(2, 2), at_once=1)


@pytest.mark.parametrize(
    ("condition", "timegrain", "value"),
    [
        ("CpuUtilizationPercentage > 1 avg 2m", "avg 1m", 35.0),
        ("CpuUtilizationPercentage > 1 max 2m", "avg 1m", 50.0),
        ("CpuUtilizationPercentage > 1 max 2m", "max 1m", 80.0),
        ("CpuUtilizationPercentage > 1 min 2m", "min 1m", 10.0),
        ("CpuUtilizationPercentage > 1 avg 1m", "sum 1m", 100.0),
        ("CpuUtilizationPercentage > 1 last 2m", "avg 1m", 50.0),
        ("CpuUtilizationPercentage > 1 count 5m", "avg 1m", 5.0),
        ("RequestsPerMinute > 1 avg 2m", "avg 1m", 420.0),
        ("RequestsPerMinute > 1 total 2m", "avg 1m", 840.0),
        ("Concurrency > 1 avg 1m", "avg 1m", 2.0),
    ],
)
def test_a_metric_is_made_of_instances_then_of_grains(condition: str, timegrain: str, value: float) -> None:
    rule = Rule(condition=condition, scale="out 1", timegrain=timegrain)
    assert readings().value(rule.trigger) == pytest.approx(value, rel=0.03)


def test_percentiles_come_from_all_requests_of_the_window_and_not_from_those_of_its_parts() -> None:
    value = readings().value(Rule(condition="RequestLatency_P99 > 1 avg 2m", scale="out 1").trigger)
    assert value == pytest.approx(1000, rel=0.15)  # one in fourteen takes a second
    typical = readings().value(Rule(condition="RequestLatency_P50 > 1 avg 2m", scale="out 1").trigger)
    assert typical == pytest.approx(110, rel=0.1)


def test_the_mean_latency_has_the_wait_in_it() -> None:
    value = readings().value(Rule(condition="RequestLatency > 1 avg 1m", scale="out 1").trigger)
    assert value == pytest.approx(0.9 * 100 + 0.1 * 1000 + 10, rel=0.08)


def test_per_instance_divides() -> None:
    rule = Rule(condition="Concurrency > 1 avg 1m", scale="out 1", per_instance=True)
    assert readings().value(rule.trigger) == pytest.approx(1.0, rel=0.03)


def test_what_was_measured_for_less_than_half_cannot_be_read() -> None:
    trigger = Rule(condition="RequestsPerMinute > 1 avg 5m", scale="out 1").trigger
    assert readings(60).value(trigger) is None
    assert readings(180).value(trigger) is not None
    assert readings(60).concurrency(timedelta(seconds=130)) is None
    assert readings(60).concurrency(timedelta(seconds=100)) is not None


def test_without_requests_latency_is_nothing_and_without_instances_cpu_is_too() -> None:
    windows = RecordedWindows()
    windows.put(NAME, Window(start=NOON - timedelta(minutes=1), end=NOON, seconds=60.0))
    empty = WindowReadings(windows, NAME, NOON, Instances(0, 0), at_once=1)
    for metric in ("RequestLatency", "RequestLatency_P99", "CpuUtilizationPercentage"):
        assert empty.value(Rule(condition=f"{metric} > 1 avg 1m", scale="out 1").trigger) == 0


def test_instances_that_cannot_be_read_have_no_memory_to_speak_of() -> None:
    trigger = Rule(condition="CpuMemoryUtilizationPercentage > 1 avg 1m", scale="out 1").trigger
    assert readings().value(trigger) is None


def test_idle_is_who_was_measured_all_the_time_and_asked_for_nothing() -> None:
    assert readings(before=0).idle(timedelta(seconds=10)) is False
    windows = RecordedWindows()
    for ago in range(1, 61):
        start = NOON - timedelta(seconds=ago)
        windows.put(NAME, Window(start=start, end=start + timedelta(seconds=1), seconds=1.0))
    quiet = WindowReadings(windows, NAME, NOON, Instances(1, 1), at_once=1)
    assert quiet.idle(timedelta(seconds=60)) is True
    assert quiet.idle(timedelta(seconds=90)) is None


@pytest.mark.parametrize(
    ("answered", "seen", "in_flight"),
    [
        pytest.param(50, 1.9, 1.0, id="short ones: their time counts, not who was there at a few moments"),
        pytest.param(50, 9.0, 7.8, id="more than chance would have it: some do not end"),
        pytest.param(0, 3.0, 3.0, id="nobody was answered: who is there counts"),
        pytest.param(50, 0.0, 1.0, id="nobody was seen, and yet they were answered"),
    ],
)
def test_requests_in_flight_are_those_that_were_answered_unless_clearly_more_were_seen(
    answered: int, seen: float, in_flight: float
) -> None:
    windows = RecordedWindows()
    windows.put(
        NAME,
        Window(
            start=NOON - timedelta(seconds=6),
            end=NOON,
            seconds=6.0,
            requests=answered,
            latency=Histogram({bucket_of(0.12): answered} if answered else {}),
            concurrency=seen,
        ),
    )
    found = WindowReadings(windows, NAME, NOON, Instances(2, 2), at_once=1).concurrency(timedelta(seconds=6))
    assert found == pytest.approx(in_flight, rel=0.05)
