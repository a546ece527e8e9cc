"""Rollouts: traffic moves from the old deployment to a new one step by step, while guards compare the two."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from penstock.domain.durations import Span
from penstock.domain.golden import MOST_REQUESTS, GoldenRequest
from penstock.domain.resource import Frozen, Kind, Status

_MOST_STEPS = 100
_LONGEST = timedelta(days=30)


class Step(Frozen):
    """A share of the traffic for the new deployment, and how long to watch it there (the rollout's `bake_time`)."""

    percent: int = Field(ge=1, le=100)
    bake_time: Span | None = None


class Ramp(Frozen):
    """Steps by rule: `linear` adds `percent` each time, `exponential` multiplies by `factor`; both end at 100."""

    type: Literal["linear", "exponential"]
    percent: int = Field(default=10, ge=1, le=100)  # of the first step
    factor: float = Field(default=2.0, ge=1.1, le=100)

    def steps(self) -> tuple[Step, ...]:
        percents, share = [self.percent], float(self.percent)
        while percents[-1] < 100:
            share = share + self.percent if self.type == "linear" else share * self.factor
            percents.append(min(100, max(percents[-1] + 1, round(share))))
        return tuple(Step(percent=percent) for percent in percents)


class ShadowStage(Frozen):
    """Before any step: copies of requests go to the new deployment, and its answers are compared row by row."""

    percent: int = Field(default=50, ge=1, le=100)
    duration: Span = timedelta(minutes=5)
    minimum_agreement: float = Field(default=0.95, ge=0, le=1)
    minimum_requests: int = Field(default=100, ge=1, le=1_000_000)


class RateGuard(Frozen):
    """Trips where the new deployment's share of such answers is above the old one's by both margins, significantly.

    `maximum` is a share that is too much whatever the old deployment does.
    """

    relative: float = Field(default=1.5, ge=1, le=100)  # times the old share
    absolute: float = Field(default=0.005, ge=0, le=1)  # more than the old share
    maximum: float | None = Field(default=None, gt=0, le=1)


class LatencyGuard(Frozen):
    """Trips where a percentile is above the old one by both margins, significantly, or surely above `maximum`."""

    percentile: float = Field(default=0.95, gt=0.01, lt=1)
    relative: float = Field(default=1.5, ge=1, le=100)
    absolute: Span = timedelta(milliseconds=5)
    maximum: Span | None = None


class RestartGuard(Frozen):
    """Trips where instances of the new deployment ended unwanted more often than the old one's, by more than this."""

    maximum: int = Field(default=1, ge=0, le=1000)


class ShiftGuard(Frozen):
    """Trips where predictions are distributed otherwise than the old deployment's, by at least `distance`.

    Of numbers the distance is Kolmogorov-Smirnov's, of classes half the sum of the differences of their shares.
    `columns` are the fields of the answer that are predictions; by default those whose names say so, else all but
    what is known to be about the answer itself (version, id, time).
    """

    distance: float = Field(default=0.08, gt=0, le=1)
    columns: tuple[str, ...] = Field(default=(), max_length=8)


class MetricGuard(Frozen):
    """A metric in Prometheus' text format, of the deployments' instances or of a `url`.

    Trips where it is above `maximum` or below `minimum`, or, of instances, above `relative` times the old ones', in
    three looks one after the other. A counter's metric is its growth a second.
    """

    name: str = Field(min_length=1, max_length=200)  # of the metric, such as my_model_confidence
    url: str | None = Field(default=None, pattern=r"^https?://[^\s@]{1,2000}$")
    maximum: float | None = None
    minimum: float | None = None
    relative: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.maximum is None and self.minimum is None and self.relative is None:
            raise ValueError(f"metric {self.name!r}: give maximum, minimum or relative")
        if self.url is not None and self.relative is not None:
            raise ValueError(f"metric {self.name!r}: relative compares instances; with url give maximum or minimum")
        return self


class HttpCheck(Frozen):
    """A URL that answers 2xx while all is well; trips after so many other answers, or none, one after the other."""

    url: str = Field(pattern=r"^https?://[^\s@]{1,2000}$")
    failures: int = Field(default=3, ge=1, le=100)


class Guards(Frozen):
    """What would end the rollout. Those with a default are on unless they are null."""

    errors: RateGuard | None = RateGuard(maximum=0.1)
    refusals: RateGuard | None = RateGuard(absolute=0.02)
    latency: LatencyGuard | None = LatencyGuard()
    restarts: RestartGuard | None = RestartGuard()
    predictions: ShiftGuard | None = ShiftGuard()
    metrics: tuple[MetricGuard, ...] = Field(default=(), max_length=10)
    checks: tuple[HttpCheck, ...] = Field(default=(), max_length=10)


MissingData = Literal["hold", "advance", "roll_back"]
AfterWarm = Literal["keep", "delete"]
Ending = Literal["promote", "abort", "override"]


class Rollout(Frozen):
    """The file of a rollout. Without `from`, it starts from the deployments that have traffic when it begins.

    `paused`, `ending` and `attempt` are what commands set; files need not give them.
    """

    type: Literal["rollout"] = "rollout"
    name: str | None = None  # the new deployment's by default
    endpoint_name: str | None = None
    description: str | None = None
    to: str
    from_: str | None = Field(default=None, alias="from")
    steps: tuple[Step, ...] | Ramp = (Step(percent=5), Step(percent=25), Step(percent=50), Step(percent=100))
    bake_time: Span = timedelta(minutes=5)
    minimum_requests: int = Field(default=500, ge=0, le=100_000_000)  # that the new deployment answered, in each step
    maximum_wait: Span = timedelta(hours=1)  # for that many, and for the new deployment to be ready
    when_data_is_missing: MissingData = "hold"
    shadow: ShadowStage | None = None
    golden: str | tuple[GoldenRequest, ...] | None = None  # a file, and what is in it once it is sent
    guards: Guards = Guards()
    keep_warm: Span = timedelta(hours=1)  # no deletion of the old deployment for so long after promotion
    after_warm: AfterWarm = "keep"
    paused: bool = False
    ending: Ending | None = None
    attempt: int = Field(default=1, ge=1)

    @field_validator("steps", mode="before")
    @classmethod
    def _percents_alone(cls, value: Any) -> Any:
        """`[5, 25, 100]` is short for steps with nothing but a percent."""
        if not isinstance(value, (list, tuple)):
            return value
        entries: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [{"percent": each} if isinstance(each, int) and not isinstance(each, bool) else each for each in entries]

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        percents = [step.percent for step in self.stages]
        if not percents or len(percents) > _MOST_STEPS:
            raise ValueError(f"steps: give 1 to {_MOST_STEPS} of them")
        if percents != sorted(set(percents)) or percents[-1] != 100:
            raise ValueError(f"steps {percents}: each must be above the one before, and the last 100")
        if self.golden is not None and not 0 < len(self.golden) <= MOST_REQUESTS:
            raise ValueError(f"golden: give 1 to {MOST_REQUESTS} requests")
        if self.to == self.from_:
            raise ValueError(f"from and to are both {self.to!r}: a rollout goes from one deployment to another")
        spans = [self.bake_time, self.maximum_wait, self.keep_warm, *(s.bake_time for s in self.stages if s.bake_time)]
        if max(spans) > _LONGEST:
            raise ValueError("times are 30 days at most")
        return self

    @property
    def stages(self) -> tuple[Step, ...]:
        """The steps, spelt out."""
        return self.steps.steps() if isinstance(self.steps, Ramp) else self.steps

    def bake_of(self, step: int) -> timedelta:
        own = self.stages[step].bake_time
        return self.bake_time if own is None else own

    def plan(self) -> "Rollout":
        """What its author decided: without what commands have set since."""
        return self.model_copy(update={"paused": False, "ending": None, "attempt": 1})


class Phase(StrEnum):
    """Where a rollout is. The last five are ends."""

    PENDING = "pending"  # the new deployment is not ready yet
    GOLDEN = "golden"
    SHADOW = "shadow"
    STEP = "step"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ABORTED = "aborted"
    OVERRIDDEN = "overridden"
    FAILED = "failed"  # it could not begin

    @property
    def finished(self) -> bool:
        return self in (self.PROMOTED, self.ROLLED_BACK, self.ABORTED, self.OVERRIDDEN, self.FAILED)


class Choice(StrEnum):
    """What a look at the evidence says is to be done."""

    WAIT = "wait"  # all is well, and the time is not over
    HOLD = "hold"  # not enough is known, or somebody paused it
    ADVANCE = "advance"
    ROLL_BACK = "roll_back"
    DONE = "done"  # promote: this was the last step


class Finding(Frozen):
    """What one guard says, with its numbers."""

    guard: str  # errors, refusals, latency, restarts, predictions, metric NAME, check URL, ready, golden, shadow
    state: Literal["ok", "unknown", "failed"]
    message: str


class Reference(Frozen):
    """What the old deployment did in the last step in which it had traffic: the last step's measure."""

    requests: int = 0
    refused: int = 0
    failed: int = 0
    latency: dict[int, int] = {}  # buckets of a Histogram
    queue_seconds: float = 0.0


class Verdict(Frozen):
    """The decision of one look. `missing` is how many requests of the new deployment are yet needed."""

    choice: Choice
    reason: str  # CamelCase, stable
    message: str
    missing: int = 0
    findings: tuple[Finding, ...] = ()


class StepRecord(Frozen):
    """A step that is over."""

    percent: int
    since: datetime
    until: datetime
    requests: int  # that the new deployment answered
    verdict: Verdict


class RolloutStatus(Status):
    """What the rollout has done. `attempt` is the one of the spec that all else speaks of.

    `before` is the traffic to go back to, `traffic` the one that the rollout last wanted. `step_since` is when the
    present step's traffic was set.
    """

    attempt: int = 0
    phase: Phase = Phase.PENDING
    old: tuple[str, ...] = ()
    before: dict[str, int] = {}
    traffic: dict[str, int] = {}
    traffic_before: dict[str, int] = {}  # the one before `traffic`
    mirror_before: dict[str, int] = {}
    to_uid: str | None = None
    to_revision: str | None = None  # the one that is rolled out, once it is ready
    step: int = 0
    phase_since: datetime | None = None
    step_since: datetime | None = None
    requests: int = 0
    verdict: Verdict | None = None
    reference: Reference | None = None
    steps: tuple[StepRecord, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None
    warm_until: datetime | None = None
    settled: bool = False  # it is over, and the traffic is as its end wants it


ROLLOUT: Kind[Rollout, RolloutStatus] = Kind("rollout", Rollout, RolloutStatus)


def unfinished(spec: Rollout, status: RolloutStatus) -> bool:
    """True while the rollout owns its endpoint's traffic."""
    return spec.ending != "override" and (status.attempt != spec.attempt or not status.settled)
