"""Readings for tests: what they say is what was put in, by metric."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from penstock.domain.autoscale_rule import Trigger
from penstock.online.readings import Instances


@dataclass(frozen=True, kw_only=True)
class GivenReadings:
    """`Readings` of `values` by metric and requests in `flight`; None, and metrics that are missing, cannot be read."""

    instances: Instances
    values: Mapping[str, float | None] = field(default_factory=dict[str, float | None])
    flight: float | None = None
    flight_now: float | None = None  # of the short windows, up to ten seconds; as `flight` unless it is given
    idle_for: timedelta | None = None
    at_once: int = 1

    def value(self, trigger: Trigger) -> float | None:
        return self.values.get(trigger.metric)

    def concurrency(self, span: timedelta) -> float | None:
        short = span <= timedelta(seconds=10) and self.flight_now is not None
        return self.flight_now if short else self.flight

    def idle(self, span: timedelta) -> bool | None:
        return None if self.idle_for is None else self.idle_for >= span
