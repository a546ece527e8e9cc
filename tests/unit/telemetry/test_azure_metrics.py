"""Azure Monitor's metrics, from what was measured."""

from datetime import UTC, datetime, timedelta

import pytest

from penstock.telemetry.azure_metrics import METRICS, azure_value
from penstock.telemetry.series import Histogram, Spread, Window, bucket_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = Window(
    start=NOON,
    end=NOON + timedelta(minutes=1),
    seconds=30,
    requests=100,
    latency=Histogram({bucket_of(0.010): 98, bucket_of(1.0): 2}),
    queue_seconds=0.005,
    ready=2.5,
    cpu=Spread(0.1, 0.4, 0.9),
    memory=Spread(0.2, 0.3, 0.4),
)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("RequestsPerMinute", 200),
        ("RequestLatency", 0.98 * 10 + 0.02 * 1000 + 5),
        ("RequestLatency_P50", 10 + 5),
        ("RequestLatency_P90", 10 + 5),
        ("RequestLatency_P95", 10 + 5),
        ("RequestLatency_P99", 1000 + 5),
        ("CpuUtilizationPercentage", 40),
        ("CpuMemoryUtilizationPercentage", 30),
        ("DeploymentCapacity", 2.5),
    ],
)
def test_a_metric_has_azures_unit(metric: str, value: float) -> None:
    assert azure_value(metric, MINUTE) == pytest.approx(value, rel=0.1)


def test_nothing_is_told_of_a_time_that_was_not_measured() -> None:
    assert {azure_value(metric, Window(start=NOON, end=NOON)) for metric in METRICS} == {None}
