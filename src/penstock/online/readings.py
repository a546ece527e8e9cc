"""What an autoscale decides on: metrics as rules name them, requests in flight, and whether anybody came at all."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from penstock.domain.autoscale_rule import METRICS, Trigger
from penstock.telemetry.azure_metrics import azure_value
from penstock.telemetry.series import Spread, Window, Windows

_ENOUGH = 0.5  # of a window must have been measured, or it cannot be read
_ALL = 0.9  # of a time in which nobody came
_LATEST = 2.0  # the last seconds may not be measured yet
_PERCENTILES = frozenset(name for name in METRICS if "_P" in name)


class Instances(NamedTuple):
    """How many a deployment is meant to have now, and how many of them take requests."""

    wanted: int
    ready: int


class Readings(Protocol):
    """What is known of a deployment at one time. None stands for what cannot be read."""

    @property
    def instances(self) -> Instances: ...

    @property
    def at_once(self) -> int:
        """How many requests an instance works on at a time; more wait."""
        ...

    def value(self, trigger: Trigger) -> float | None:
        """The metric of a rule: percent, milliseconds, requests a minute, or requests."""
        ...

    def concurrency(self, span: timedelta) -> float | None:
        """How many requests were in flight or waiting, on average, in this time up to now."""
        ...

    def idle(self, span: timedelta) -> bool | None:
        """True if no request was there for all this time up to now."""
        ...


@dataclass(frozen=True)
class WindowReadings:
    """`Readings` of a deployment (ENDPOINT/DEPLOYMENT) from its windows.

    What was measured for less than half of the time asked for cannot be read.
    """

    windows: Windows
    deployment: str
    now: datetime
    instances: Instances
    at_once: int

    def value(self, trigger: Trigger) -> float | None:
        if trigger.metric in _PERCENTILES and trigger.aggregation == "avg":
            window = self._window(trigger.window)  # percentiles of parts have no average that means anything
            return _measured(window, trigger.window, trigger)
        count = max(1, round(trigger.window / trigger.grain))
        ends = [self.now - n * trigger.grain for n in reversed(range(count))]
        parts = [self.windows.window(self.deployment, end - trigger.grain, end) for end in ends]
        values = [value for part in parts if (value := _measured(part, trigger.grain, trigger)) is not None]
        return _aggregated(values, trigger.aggregation) if len(values) >= _ENOUGH * count else None

    def concurrency(self, span: timedelta) -> float | None:
        window = self._window(span)
        return _in_flight(window) if window.seconds >= _ENOUGH * span.total_seconds() else None

    def idle(self, span: timedelta) -> bool | None:
        window = self._window(span)
        if window.requests or window.failed or window.refused or window.concurrency:
            return False
        seconds = span.total_seconds()
        return True if window.seconds >= min(_ALL * seconds, seconds - _LATEST) else None

    def _window(self, span: timedelta) -> Window:
        return self.windows.window(self.deployment, self.now - span, self.now)


def _measured(window: Window, span: timedelta, trigger: Trigger) -> float | None:
    """The metric in one grain over all instances, by the trigger's statistic; None if too little was measured."""
    if window.seconds < _ENOUGH * span.total_seconds():
        return None
    value = _value(window, trigger)
    if value is None or not trigger.per_instance:
        return value
    return value / max(1.0, window.ready)


def _value(window: Window, trigger: Trigger) -> float | None:
    match trigger.metric:
        case "Concurrency":
            return _in_flight(window)
        case "CpuUtilizationPercentage":
            return _spread(window, window.cpu, trigger.statistic)
        case "CpuMemoryUtilizationPercentage":
            return _spread(window, window.memory, trigger.statistic)
        case _:
            return azure_value(trigger.metric, window) or 0.0  # without requests there is no latency to speak of


def _in_flight(window: Window) -> float:
    """Requests in flight, on average.

    By Little's law from the time that answered requests have taken, which is exact for short ones. What was seen at
    the seconds counts where it is more than that by three times its own error: requests that end late, or never.
    """
    answered = (window.latency.seconds + window.queue_seconds * window.requests) / window.seconds
    return max(answered, window.concurrency - 3 * math.sqrt(answered / window.seconds))


def _spread(window: Window, spread: Spread | None, statistic: str) -> float | None:
    """Percent. Of no instance at all it is nothing; of instances that cannot be read it is not known."""
    if statistic == "count":
        return window.ready
    if spread is None:
        return 0.0 if window.ready == 0 else None
    match statistic:
        case "min":
            return spread.lowest * 100
        case "max":
            return spread.highest * 100
        case "sum":
            return spread.mean * window.ready * 100
        case _:
            return spread.mean * 100


def _aggregated(values: list[float], aggregation: str) -> float:
    match aggregation:
        case "min":
            return min(values)
        case "max":
            return max(values)
        case "total":
            return sum(values)
        case "count":
            return float(len(values))
        case "last":
            return values[-1]
        case _:
            return sum(values) / len(values)
