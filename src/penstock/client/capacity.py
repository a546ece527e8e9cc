"""How many requests/s a deployment can take within a p99: ever more connections, then random arrivals to confirm it."""

import math
from collections.abc import Callable, Iterable, Sequence

from penstock.client.load import Measured
from penstock.domain.observation import Capacity, Step

Closed = Callable[[int, float], Measured]  # connections, seconds
Open = Callable[[float, int, float], Measured]  # rate, connections, seconds

_MOST_CONNECTIONS = 256
_GAIN = 1.05  # a doubling of connections that gives less is the end
_SOUND = 0.001  # share of errors that a step may have
_HEADROOM = (0.9, 0.8, 0.65, 0.5)  # of the highest rate of the ramp, tried one after the other with random arrivals
_CONFIRMING = 0.4  # of the time
_STEPS = 8
_LIMITED = 0.85  # of a core, from which the generator is what limits
_FULL = 0.95  # of all cores, from which the machine is what limits
_SPARE = 0.8  # of what an instance can take, for the number of instances


def measure(closed: Closed, open_: Open, seconds: float, target: float, instances: int) -> Capacity:
    """1. Connections 1, 2, 4 ... until p99 is over `target`, or more of them give no more.
    2. Random arrivals at 90 % of the best rate, or less, until p99 holds: only that is what callers can have.
    """
    ramp = list(_ramp(closed, seconds * (1 - _CONFIRMING) / _STEPS, target))
    best = max((step for step in ramp if _good(step, target)), key=lambda s: s.rate, default=None)
    if best is None:
        return _capacity(target, ramp, None, instances, confirmed=False)
    arrivals: list[Step] = []
    for share in _HEADROOM:
        connections = min(_MOST_CONNECTIONS, 4 * best.connections + 8)
        step = open_(best.rate * share, connections, seconds * _CONFIRMING / 2).step()
        arrivals.append(step)
        if _good(step, target):
            return _capacity(target, (*ramp, *arrivals), step, instances, confirmed=True, best=best)
    return _capacity(target, (*ramp, *arrivals), best, instances, confirmed=False, best=best)


def sized_for(capacity: Capacity, rate: float | None) -> Capacity:
    """With the instances that `rate` needs, at four fifths of what each can take."""
    if rate is None or not capacity.rate:
        return capacity.model_copy(update={"wanted_rate": rate})
    count = max(1, math.ceil(rate / (capacity.per_instance * _SPARE)))
    return capacity.model_copy(update={"wanted_rate": rate, "instance_count": count})


def _ramp(closed: Closed, seconds: float, target: float) -> Iterable[Step]:
    connections, rate, flat = 1, 0.0, 0
    while connections <= _MOST_CONNECTIONS:
        step = closed(connections, seconds).step()
        yield step
        flat = flat + 1 if step.rate < rate * _GAIN else 0
        if not _good(step, target) or flat >= 2:
            return
        rate = max(rate, step.rate)
        connections *= 2


def _good(step: Step, target: float) -> bool:
    sent = step.errors + step.rate * step.seconds
    return step.rate > 0 and step.p99 <= target and step.errors <= sent * _SOUND


def _capacity(
    target: float,
    steps: Sequence[Step],
    found: Step | None,
    instances: int,
    *,
    confirmed: bool,
    best: Step | None = None,
) -> Capacity:
    limited = any(step.generator_share > _LIMITED for step in steps)
    connections = best.connections if best else 0
    return Capacity(
        target=target,
        rate=found.rate if found else 0.0,
        p99=found.p99 if found else 0.0,
        connections=connections,
        instances=instances,
        confirmed=confirmed,
        generator_limited=limited,
        machine_limited=any(step.machine_share > _FULL for step in steps),
        steps=tuple(steps),
        max_concurrent_requests_per_instance=max(1, math.ceil(connections / max(1, instances))),
    )
