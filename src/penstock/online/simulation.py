"""A policy judged before it is used: requests replayed in virtual time against the decisions of the platform."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from penstock.domain.autoscale import MOST_INSTANCES, Autoscale, Memory
from penstock.online.autoscale import decide
from penstock.online.autoscale_profiles import in_force
from penstock.online.readings import Instances, WindowReadings
from penstock.online.scaler import LiveReadings
from penstock.online.simulated_fleet import Model, SimulatedFleet
from penstock.online.simulated_windows import Ledger

TICK = 2  # seconds between decisions, as the scaler has it
_COLUMNS = 480  # of the time line at most
_LONGEST = 31 * 24 * 3600
_NAME = "simulated"


class Change(NamedTuple):
    """A decision that changed the number of instances."""

    at: float  # seconds since the beginning
    before: int
    after: int
    reason: str


class Column(NamedTuple):
    """A part of the time line: means, the most that waited, and the p99 of what was answered in it (seconds).

    `instance_hours` are those since the beginning.
    """

    at: float
    rate: float  # requests a second that came
    wanted: float
    ready: float
    waiting: int
    p99: float | None
    lost: int
    instance_hours: float


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What became of the requests, and what it took. Latencies are seconds from arrival to answer."""

    seconds: float
    requests: int
    answered: int
    lost: int
    p50: float | None
    p99: float | None
    time_in_system: float  # seconds, of all requests together
    mean_in_system: float
    instance_hours: float
    most_instances: int
    changes: Sequence[Change]
    columns: Sequence[Column]


@dataclass(frozen=True)
class _Tick:
    at: int
    wanted: int
    ready: int
    waiting: int
    lost: int
    instance_seconds: float


def simulate(
    spec: Autoscale, arrivals: "array[float]", model: Model, began_at: datetime, *, most: int | None = None
) -> Simulation:
    """Replay `arrivals` (seconds since `began_at`, rising): the same decisions as on the platform, every two seconds.

    At the beginning the default number of instances is ready. `most` is what the machine has room for. The same
    arguments give the same result. It ends when the last request has left.
    """
    length = math.ceil(arrivals[-1]) + 1 if arrivals else 1
    if length > _LONGEST:
        raise ValueError(f"the trace is {length / 86400:.0f} days long: simulate a month at most")
    run = _Run(spec, arrivals, model, began_at, most)
    while run.going:
        run.decide()
        for _ in range(TICK):
            run.pass_second()
    return run.told()


class _Run:
    """A simulation under way; `now` is in seconds since its beginning."""

    def __init__(
        self, spec: Autoscale, arrivals: "array[float]", model: Model, began_at: datetime, most: int | None
    ) -> None:
        patience = max(model.wait_seconds, model.hold_seconds) + 100 * model.service_seconds
        length = (arrivals[-1] if arrivals else 0) + patience + 60
        first = in_force(spec, began_at)
        self._spec = spec
        self._at_once = model.at_once
        self._began_at = began_at
        self._most = most or MOST_INSTANCES
        self._first = self._present = min(first.fallback, self._most)
        self._ledger = Ledger(began_at, math.ceil(length), model.cores)
        self._fleet = SimulatedFleet(arrivals, model, self._present, self._ledger)
        self._arrivals = len(arrivals)
        self._memory = Memory()
        self._now = 0
        self._changed_at = 0
        self._ticks: list[_Tick] = []
        self._changes: list[Change] = []

    @property
    def going(self) -> bool:
        fleet = self._fleet
        left = fleet.next < self._arrivals or bool(fleet.waiting) or fleet.busy_until() > self._now
        return left or self._now == 0

    def decide(self) -> None:
        """As the scaler does it."""
        fleet, at = self._fleet, self._began_at + timedelta(seconds=self._now)
        instances = Instances(self._present, fleet.ready(self._now))
        readings = LiveReadings(
            measured=WindowReadings(self._ledger, _NAME, at, instances, self._at_once),
            held=len(fleet.waiting),
            unchanged_for=timedelta(seconds=self._now - self._changed_at),
        )
        decision = decide(self._spec, readings, self._memory, at)
        self._memory = decision.memory
        self._scale(min(self._most, decision.instances), decision.reason)
        ready = fleet.ready(self._now)
        spent = fleet.spent(self._now)
        self._ticks.append(_Tick(self._now, self._present, ready, len(fleet.waiting), fleet.lost, spent))

    def pass_second(self) -> None:
        """Who is held wakes the deployment at once, not at the next decision."""
        if self._present == 0 and self._fleet.waiting:
            self._changes.append(Change(self._now, 0, 1, "0 -> 1 instance: a request waits"))
            self._fleet.wake(self._now)
            self._present = 1
            self._changed_at = self._now
        ready = self._fleet.ready(self._now)
        self._now += 1
        self._fleet.advance(self._now)
        self._ledger.close(self._now, ready)

    def told(self) -> Simulation:
        fleet, ledger = self._fleet, self._ledger
        last = ledger.closed + 1  # what was clamped lies in the second after the last
        return Simulation(
            seconds=self._now,
            requests=fleet.next,
            answered=fleet.answered,
            lost=fleet.lost,
            p50=ledger.percentile(0.5, 0, last),
            p99=ledger.percentile(0.99, 0, last),
            time_in_system=fleet.time_in_system,
            mean_in_system=sum(ledger.inside()) / self._now,
            instance_hours=fleet.spent(self._now) / 3600,
            most_instances=max([self._first, *(change.after for change in self._changes)]),
            changes=self._changes,
            columns=_columns(ledger, self._ticks),
        )

    def _scale(self, wanted: int, reason: str) -> None:
        if wanted == self._present:
            return
        self._changes.append(Change(self._now, self._present, wanted, reason))
        self._fleet.scale(wanted, self._now)
        self._present = wanted
        self._changed_at = self._now


def _columns(ledger: Ledger, ticks: Sequence[_Tick]) -> Sequence[Column]:
    size = max(1, math.ceil(len(ticks) / _COLUMNS))
    columns: list[Column] = []
    lost = 0
    for begin in range(0, len(ticks), size):
        part = ticks[begin : begin + size]
        first, last = part[0].at, part[-1].at + TICK
        columns.append(
            Column(
                at=first,
                rate=sum(ledger.arrivals[first:last]) / (last - first),
                wanted=sum(tick.wanted for tick in part) / len(part),
                ready=sum(tick.ready for tick in part) / len(part),
                waiting=max(tick.waiting for tick in part),
                p99=ledger.percentile(0.99, first, last),
                lost=part[-1].lost - lost,
                instance_hours=part[-1].instance_seconds / 3600,
            )
        )
        lost = part[-1].lost
    return columns
