"""Azure Monitor's metrics of online endpoints, by Azure's names, from what was measured."""

from collections.abc import Callable, Mapping

from penstock.telemetry.series import Window


def _percentile(share: float) -> Callable[[Window], float | None]:
    return lambda window: _milliseconds(window.latency_percentile(share))


# Milliseconds, percent (of one core, and of the instance's limit on memory), requests, and instances: of one minute.
METRICS: Mapping[str, Callable[[Window], float | None]] = {
    "RequestsPerMinute": lambda window: window.requests / window.seconds * 60,
    "RequestLatency": lambda window: _milliseconds(_mean_latency(window)),
    "RequestLatency_P50": _percentile(0.5),
    "RequestLatency_P90": _percentile(0.9),
    "RequestLatency_P95": _percentile(0.95),
    "RequestLatency_P99": _percentile(0.99),
    "CpuUtilizationPercentage": lambda window: None if window.cpu is None else window.cpu.mean * 100,
    "CpuMemoryUtilizationPercentage": lambda window: None if window.memory is None else window.memory.mean * 100,
    "DeploymentCapacity": lambda window: window.ready,
}


def azure_value(metric: str, window: Window) -> float | None:
    """The mean over the window of one of `METRICS`; None if it cannot be told of this time."""
    return METRICS[metric](window) if window.seconds > 0 else None


def _mean_latency(window: Window) -> float | None:
    total = window.latency.total
    return window.latency.seconds / total + window.queue_seconds if total else None


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
