"""Autoscales: how many instances a deployment has, by rules, by the hour, or by how busy they are."""

from datetime import datetime, timedelta
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from penstock.domain.autoscale_azure import fields_of, is_azure
from penstock.domain.autoscale_rule import Rule
from penstock.domain.durations import Span
from penstock.domain.resource import Frozen, Kind, Status
from penstock.domain.schedule import FixedDate, Recurrence

MOST_INSTANCES = 1000
_MOST_PROFILES = 20  # Azure's limits
_MOST_RULES = 10
_HOUR = timedelta(hours=1)


class Capacity(Frozen):
    """How few and how many instances, and what moves their number between: the rules, else how busy they are.

    `default` is how many there are at least while the metrics cannot be read; `min` unless it is given.
    """

    min: int = Field(default=1, ge=0, le=MOST_INSTANCES)
    max: int = Field(ge=1, le=MOST_INSTANCES)
    default: int | None = Field(default=None, ge=0, le=MOST_INSTANCES)
    rules: tuple[Rule, ...] = Field(default=(), max_length=_MOST_RULES)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}: min must not be more than max")
        if not self.min <= self.fallback <= self.max:
            raise ValueError(f"default is {self.default}: it must lie between min ({self.min}) and max ({self.max})")
        return self

    @property
    def fallback(self) -> int:
        return self.min if self.default is None else self.default


class Profile(Capacity):
    """Other limits and rules for a while: on a `fixed` date, or each week (`recurrence`)."""

    name: str = Field(min_length=1, max_length=250)
    fixed: FixedDate | None = None
    recurrence: Recurrence | None = None

    @model_validator(mode="after")
    def _at_some_time(self) -> Self:
        if (self.fixed is None) == (self.recurrence is None):
            raise ValueError(f"profile {self.name!r}: give fixed (start and end) or recurrence (days), one of them")
        return self


class PreWarm(Recurrence):
    """At least so many instances at these times of the week, however little there is to do."""

    instances: int = Field(default=1, ge=1, le=MOST_INSTANCES)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.end is None:
            raise ValueError("give the end of this pre-warming, as HH:MM")
        return self


class Concurrency(Frozen):
    """By how many requests are in flight, for profiles without rules.

    An instance is meant to be busy to `target_utilization_percentage` of the requests that it works on at once, or
    with `target` requests. The mean over `stable_window` decides; where the mean over `panic_window` asks for
    `panic_threshold_percentage` of the instances there are, that one does, and none is taken away for a while.
    Fewer are enough only if they were for the whole `scale_in_delay`.
    """

    target_utilization_percentage: int = Field(default=70, ge=1, le=100)
    target: float | None = Field(default=None, gt=0, le=10_000)
    stable_window: Span = Field(default=timedelta(seconds=60), ge=timedelta(seconds=6), le=_HOUR)
    panic_window: Span = Field(default=timedelta(seconds=6), ge=timedelta(seconds=1), le=_HOUR)
    panic_threshold_percentage: int = Field(default=200, ge=110, le=1000)
    scale_in_delay: Span = Field(default=timedelta(minutes=5), ge=timedelta(0), le=_HOUR)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.panic_window > self.stable_window:
            raise ValueError("panic_window must not be longer than stable_window")
        return self

    def per_instance(self, at_once: int) -> float:
        """How many requests an instance is meant to have in flight, that works on `at_once` at a time."""
        return self.target if self.target is not None else at_once * self.target_utilization_percentage / 100


class Autoscale(Capacity):
    """The file of an autoscale; what Azure Monitor's autoscale settings say in their JSON is understood as well.

    Its limits and rules are those of the default profile. With `min: 0` the last instance ends once no request came
    for `idle_time`; requests that come then are held until an instance is ready, `hold_time` at most. `source` is
    set for one that the platform made from the deployment's own scale_settings.
    """

    type: Literal["autoscale"] = "autoscale"
    name: str | None = Field(default=None, max_length=260)  # of Azure's setting; commands find it by this too
    endpoint_name: str | None = None
    deployment_name: str | None = None
    description: str | None = None
    tags: dict[str, str] = {}
    enabled: bool = True
    profiles: tuple[Profile, ...] = Field(default=(), max_length=_MOST_PROFILES - 1)
    prewarm: tuple[PreWarm, ...] = Field(default=(), max_length=_MOST_PROFILES)
    concurrency: Concurrency = Concurrency()
    idle_time: Span = Field(default=timedelta(minutes=5), ge=timedelta(seconds=5), le=timedelta(minutes=50))
    hold_time: Span = Field(default=timedelta(minutes=1), ge=timedelta(seconds=1), le=timedelta(minutes=10))
    ignored: tuple[str, ...] = ()  # fields of Azure's JSON that have no effect here
    source: Literal["scale_settings"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_azure(cls, value: Any) -> Any:
        return fields_of(value) if is_azure(value) else value

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [profile.name for profile in self.profiles]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"profile {twice!r} stands here twice")
        return self


class Peak(Frozen):
    """How many instances seemed needed at a time, for the delay of scaling in."""

    at: datetime
    instances: int


class Memory(Frozen):
    """What decisions remember of earlier ones.

    `scaled_at` and `cooldown` are of the last rule that fired. A panic has lasted since `panic_since`, was last
    justified at `panicked_at` and needed `panic_instances` at most. `unready` if no instance took requests, else that
    has been so since `ready_since`.
    """

    scaled_at: datetime | None = None
    cooldown: Span = timedelta(0)
    panic_since: datetime | None = None
    panicked_at: datetime | None = None
    panic_instances: int = 0
    peaks: tuple[Peak, ...] = ()  # later ones are lower
    unready: bool = False
    ready_since: datetime | None = None


class AutoscaleStatus(Status):
    """What the scaler decided last.

    `wanted` is what the policy asks for, `instances` what the deployment is told to run; where the machine has less,
    `limit` says so. `since` is when `instances` last changed, `profile` the one in force, `target` the uid of the
    deployment that it belongs to: another one of the same name gets nothing from it.
    """

    instances: int | None = None
    wanted: int | None = None
    reason: str = ""
    since: datetime | None = None
    profile: str = ""
    limit: str = ""
    memory: Memory = Memory()
    target: str = ""


AUTOSCALE: Kind[Autoscale, AutoscaleStatus] = Kind("autoscale", Autoscale, AutoscaleStatus)
