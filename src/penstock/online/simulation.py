"""A policy judged before it is used: requests replayed in virtual time against the decisions of the platform."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from penstock.domain.autoscale import Autoscale, Memory
from penstock.online.autoscale import decide
from penstock.online.autoscale_profiles import in_force
from penstock.online.readings import Instances, WindowReadings
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
    """A part of the time line: means, the most that waited, and the p99 of what was answered in it (seconds)."""

    at: float
    rate: float  # requests a second that came
    wanted: float
    ready: float
    waiting: int
    p99: float | None
    lost: int


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
    margin = math.ceil(max(model.wait_seconds, model.hold_seconds) + 100 * model.service_seconds) + 60
    ledger = Ledger(began_at, length + margin, model.cores)
    first = in_force(spec, began_at)
    present = min(first.fallback, most or first.max)
    fleet = SimulatedFleet(arrivals, model, present, ledger)
    ticks: list[_Tick] = []
    changes: list[Change] = []
    memory, now = Memory(), 0
    while now == 0 or fleet.next < len(arrivals) or fleet.waiting or fleet.busy_until() > now:
        ready = fleet.ready(now)
        at = began_at + timedelta(seconds=now)
        readings = WindowReadings(ledger, _NAME, at, Instances(present, ready), model.at_once)
        decision = decide(spec, readings, memory, at)
        memory = decision.memory
        wanted = decision.instances if most is None else min(most, decision.instances)
        if wanted != present:
            changes.append(Change(now, present, wanted, decision.reason))
            fleet.scale(wanted, now)
            present = wanted
        ticks.append(_Tick(now, present, fleet.ready(now), len(fleet.waiting), fleet.lost))
        for second in range(now + 1, now + TICK + 1):
            if present == 0 and fleet.waiting:  # who is held wakes the deployment at once, not at the next decision
                changes.append(Change(second - 1, 0, 1, "requests wait for the first instance"))
                present = 1
                fleet.scale(present, second - 1)
            serving = fleet.ready(second - 1)
            fleet.advance(second)
            ledger.close(second, serving)
        now += TICK
    fleet.end(now)
    return _told(fleet, ledger, ticks, changes, now)


def _told(
    fleet: SimulatedFleet, ledger: Ledger, ticks: Sequence[_Tick], changes: Sequence[Change], seconds: int
) -> Simulation:
    last = ledger.closed + 1  # what was clamped lies in the second after the last
    return Simulation(
        seconds=seconds,
        requests=fleet.next,
        answered=fleet.answered,
        lost=fleet.lost,
        p50=ledger.percentile(0.5, 0, last),
        p99=ledger.percentile(0.99, 0, last),
        time_in_system=fleet.time_in_system,
        mean_in_system=sum(ledger.inside()) / seconds,
        instance_hours=fleet.instance_seconds / 3600,
        most_instances=max(tick.wanted for tick in ticks),
        changes=changes,
        columns=_columns(ledger, ticks),
    )


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
            )
        )
        lost = part[-1].lost
    return columns
