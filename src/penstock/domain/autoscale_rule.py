"""A rule of an autoscale: when a metric says so, this many instances more or fewer. In the words of `az monitor`."""

import math
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from pydantic import Field, field_validator

from penstock.domain.durations import Span, span, span_text
from penstock.domain.errors import PenstockError
from penstock.domain.fields import nearest
from penstock.domain.resource import Frozen


class Metric(NamedTuple):
    """A metric that rules may read. A `total` is of the whole deployment: other instances do not change it."""

    name: str
    unit: str
    total: bool = False


_LATENCIES = ("RequestLatency", "RequestLatency_P50", "RequestLatency_P90", "RequestLatency_P95", "RequestLatency_P99")
METRICS = {
    metric.name: metric
    for metric in (
        Metric("CpuUtilizationPercentage", "%"),
        Metric("CpuMemoryUtilizationPercentage", "%"),
        *(Metric(name, " ms") for name in _LATENCIES),
        Metric("RequestsPerMinute", " a minute", total=True),
        Metric("Concurrency", " requests", total=True),  # ours: being worked on, or waiting for an instance
    )
}
OPERATORS = (">", ">=", "<", "<=", "==", "!=")
AGGREGATIONS = ("avg", "min", "max", "total", "count", "last")
STATISTICS = ("avg", "min", "max", "sum", "count")

_SHORTEST, _LONGEST = timedelta(seconds=5), timedelta(hours=1)  # measurements are kept for an hour
_MOST_GRAINS = 120
_MOST_CHARACTERS = 300
_MOST_INSTANCES = 1000

_CONDITION = re.compile(
    r"(?:(?P<quote>['\"])[^'\"]*(?P=quote)\s+)?(?P<metric>[\w .%/:|,-]*\S)\s+(?P<operator>[<>=!]{1,2})\s+"
    r"(?P<threshold>-?[0-9]{1,12}(?:[.,][0-9]{1,6})?)\s+(?P<aggregation>\w+)\s+(?P<window>\w+)(?P<where>\s+where\s.*)?\Z",
    re.ASCII | re.IGNORECASE,
)
_SCALE = re.compile(r"(?P<direction>out|in|to)\s+(?P<value>[0-9]{1,5})(?P<percent>%)?\Z", re.IGNORECASE)
_CONDITION_HELP = 'write METRIC OPERATOR THRESHOLD AGGREGATION WINDOW, e.g. "CpuUtilizationPercentage > 70 avg 5m"'
_SCALE_HELP = 'write "out 2", "in 1", "out 50%" or "to 3"'


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """When a rule fires.

    In each `grain` of the `window` the metric has one value over all instances (`statistic`), or per instance where
    `per_instance`; those values make one by `aggregation`, which is compared with the threshold.
    """

    metric: str
    operator: str
    threshold: float
    aggregation: str
    window: timedelta
    statistic: str = "avg"
    grain: timedelta = timedelta(minutes=1)
    per_instance: bool = False

    def holds(self, value: float) -> bool:
        match self.operator:
            case ">":
                return value > self.threshold
            case ">=":
                return value >= self.threshold
            case "<":
                return value < self.threshold
            case "<=":
                return value <= self.threshold
            case "==":
                return value == self.threshold
            case _:
                return value != self.threshold

    def projected(self, value: float, instances: int, then: int) -> float:
        """What `value` of so many instances becomes when the same work is spread over `then` of them, at least one."""
        if METRICS[self.metric].total and not self.per_instance:
            return value
        return value * instances / then

    @property
    def condition(self) -> str:
        """As `parse_condition` reads it."""
        threshold = f"{self.threshold:.6f}".rstrip("0").rstrip(".")
        return f"{self.metric} {self.operator} {threshold} {self.aggregation} {span_text(self.window)}"


@dataclass(frozen=True)
class Action:
    """What a rule does to the number of instances."""

    direction: str  # out, in, or to: exactly so many
    value: int
    percent: bool = False

    def applied(self, instances: int) -> int:
        """How many there shall be instead of `instances`. A percentage is at least one; what goes is rounded down."""
        if self.direction == "to":
            return self.value
        if not self.percent:
            return max(0, instances + (self.value if self.direction == "out" else -self.value))
        share = instances * self.value / 100
        if self.direction == "out":
            return instances + max(1, math.ceil(share))
        return max(0, instances - max(1, math.floor(share)))

    def __str__(self) -> str:
        return f"{self.direction} {self.value}{'%' if self.percent else ''}"


@lru_cache(maxsize=1024)
def parse_condition(text: str) -> Trigger:
    """`CpuUtilizationPercentage > 70 avg 5m`, as `az monitor autoscale rule create --condition` takes it.

    Raises ValueError naming what is not understood. A namespace in quotes before the metric is passed over.
    """
    match = _CONDITION.match(text.strip()) if len(text) <= _MOST_CHARACTERS else None
    if match is None:
        raise ValueError(f"condition {text[:120]!r} is not understood: {_CONDITION_HELP}")
    if match["where"]:
        raise ValueError(
            f"condition {text[:120]!r}: a rule sees the deployment that it scales and nothing else; remove `where ...`"
        )
    return Trigger(
        metric=_known(match["metric"], METRICS, "metric"),
        operator=_known(match["operator"], OPERATORS, "operator"),
        threshold=float(match["threshold"].replace(",", ".")),
        aggregation=_known(match["aggregation"], AGGREGATIONS, "aggregation"),
        window=_window(match["window"]),
    )


@lru_cache(maxsize=1024)
def parse_timegrain(text: str) -> tuple[str, timedelta]:
    """`avg 1m`: statistic and grain, as `--timegrain` takes them. Raises ValueError."""
    statistic, _, grain = text.strip().partition(" ")
    try:
        length = span(grain)
    except PenstockError:
        raise ValueError(f"timegrain {text[:40]!r} is not understood: write for example avg 1m") from None
    if length < timedelta(seconds=1):
        raise ValueError(f"timegrain {text[:40]!r} is too short: a second is measured at least")
    return _known(statistic, STATISTICS, "statistic"), length


@lru_cache(maxsize=1024)
def parse_scale(text: str) -> Action:
    """`out 2`, `in 10%`, `to 3`, as `--scale` takes them. Raises ValueError."""
    match = _SCALE.match(text.strip())
    if match is None:
        raise ValueError(f"scale {text[:40]!r} is not understood: {_SCALE_HELP}")
    action = Action(match["direction"].lower(), int(match["value"]), match["percent"] is not None)
    if action.direction == "to" and action.percent:
        raise ValueError(f"scale {text[:40]!r}: exactly so many instances is a number: {_SCALE_HELP}")
    if action.value > _MOST_INSTANCES or (action.value == 0 and action.direction != "to"):
        raise ValueError(f"scale {text[:40]!r}: give 1 to {_MOST_INSTANCES}")
    return action


class Rule(Frozen):
    """`condition`, `scale` and `timegrain` in the words of `az monitor autoscale rule create`.

    `per_instance` divides the metric by the number of instances (Azure: dividePerInstance).
    """

    condition: str
    scale: str
    cooldown: Span = Field(default=timedelta(minutes=5), ge=timedelta(0), le=timedelta(days=7))
    timegrain: str = "avg 1m"
    per_instance: bool = False

    @field_validator("condition")
    @classmethod
    def _condition(cls, value: str) -> str:
        return parse_condition(value).condition

    @field_validator("scale")
    @classmethod
    def _scale(cls, value: str) -> str:
        return str(parse_scale(value))

    @field_validator("timegrain")
    @classmethod
    def _timegrain(cls, value: str) -> str:
        statistic, grain = parse_timegrain(value)
        return f"{statistic} {span_text(grain)}"

    @property
    def trigger(self) -> Trigger:
        trigger = parse_condition(self.condition)
        statistic, grain = parse_timegrain(self.timegrain)
        grain = max(min(grain, trigger.window), trigger.window / _MOST_GRAINS)
        return replace(trigger, statistic=statistic, grain=grain, per_instance=self.per_instance)

    @property
    def action(self) -> Action:
        return parse_scale(self.scale)


def _window(text: str) -> timedelta:
    try:
        window = span(text)
    except PenstockError as err:
        raise ValueError(err.message) from None
    if not _SHORTEST <= window <= _LONGEST:
        raise ValueError(
            f"window {text!r} is out of range: measurements are kept for an hour, so give {span_text(_SHORTEST)} to "
            f"{span_text(_LONGEST)}"
        )
    return window


def _known(word: str, names: "tuple[str, ...] | dict[str, Metric]", what: str) -> str:
    found = next((name for name in names if name.lower() == word.lower()), None)
    if found is None:
        near = nearest(word, names)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(names)}"
        raise ValueError(f"{what} {word[:80]!r} is not known here ({hint})")
    return found
