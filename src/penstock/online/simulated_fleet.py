"""Instances that take requests in virtual time: one queue, first come first served, as the gateway has it. Exact."""

import heapq
import math
import random
from array import array
from collections import deque
from dataclasses import dataclass

from penstock.online.simulated_windows import Ledger
from penstock.telemetry.series import bucket_of

_DRAWS = 4096  # service times that are drawn once and used in turn
_NEVER = math.inf


@dataclass(frozen=True, kw_only=True)
class Model:
    """What serving is like. Service times are spread log-normally; `service_spread` is their deviation over their mean.

    Up to `queue` requests wait for each instance, `wait_seconds` at most; those that come while the deployment has no
    instance wait `hold_seconds`. An instance takes requests `start_seconds` after it was asked for.
    """

    service_seconds: float = 0.02
    service_spread: float = 0.3
    start_seconds: float = 3.0
    at_once: int = 1
    cores: float = 1.0  # that a request keeps busy while it is worked on
    queue: int = 100
    wait_seconds: float = 5.0
    hold_seconds: float = 60.0
    seed: int = 1


class SimulatedFleet:
    """Requests arrive as told (seconds, rising); the rest follows from `advance` and `scale`, called in turn."""

    def __init__(self, arrivals: "array[float]", model: Model, instances: int, ledger: Ledger) -> None:
        self.lost = 0
        self.answered = 0
        self.time_in_system = 0.0  # seconds, of all requests that have left
        self.next = 0  # index of the next arrival
        self.waiting: deque[tuple[float, float]] = deque()  # when they came, and until when they wait
        self._arrivals = arrivals
        self._model = model
        self._ledger = ledger
        self._slots: list[tuple[float, int]] = []  # when each is free again, and whose it is
        self._instances: dict[int, tuple[float, float]] = {}  # when it was asked for, and when it took requests
        self._born = 0
        self._instance_seconds = 0.0  # of instances that have ended
        self._clock = 0.0  # nothing happens before it any more
        self._draws = _draws(model)
        self._buckets = [bucket_of(draw) for draw in self._draws]
        for _ in range(instances):
            self._add(0.0, 0.0)

    def ready(self, now: float) -> int:
        return sum(ready <= now for _, ready in self._instances.values())

    @property
    def wanted(self) -> int:
        return len(self._instances)

    def busy_until(self) -> float:
        """When the last request will have been answered, if no more come."""
        return max((free for free, _ in self._slots), default=0.0)

    def scale(self, instances: int, now: float) -> None:
        """Start what is missing; what is too much finishes its requests and goes, the youngest first."""
        while self.wanted < instances:
            self._add(now, now + self._model.start_seconds)
        while self.wanted > instances:
            self._remove(max(self._instances, key=lambda name: (self._instances[name][1], name)), now)

    def wake(self, now: float) -> None:
        """Start one for the request that has waited longest, as if that had been noticed when it came."""
        came, _ = self.waiting[0]
        self._add(came, max(now, came + self._model.start_seconds))

    def spent(self, now: float) -> float:
        """Seconds of instances up to now, from when each was asked for until it has gone."""
        return self._instance_seconds + sum(now - asked for asked, _ in self._instances.values())

    def advance(self, until: float) -> None:
        """All that happens before `until`, in its order: arrivals, starts of service, and requests that give up."""
        arrivals, waiting, slots = self._arrivals, self.waiting, self._slots
        count = len(arrivals)
        while True:
            arrival = arrivals[self.next] if self.next < count else _NEVER
            free = slots[0][0] if slots else _NEVER
            if waiting:
                came, gives_up = waiting[0]
                turn = max(min(max(free, came), gives_up), self._clock)
                if turn <= arrival and turn < until:
                    waiting.popleft()
                    self._clock = turn
                    if free <= gives_up:
                        self._serve(came, turn)
                    else:
                        self._lose(came, turn)
                    continue
            if arrival >= until:
                self._clock = until
                return
            self.next += 1
            self._ledger.arrived(arrival)
            if not waiting and free <= arrival:
                self._serve(arrival, arrival)
            elif len(waiting) >= self._model.queue * max(1, len(self._instances)):
                self._lose(arrival, arrival)
            else:
                waiting.append((arrival, arrival + self._patience(arrival)))

    def _patience(self, now: float) -> float:
        return self._model.wait_seconds if self.ready(now) else self._model.hold_seconds

    def _serve(self, came: float, start: float) -> None:
        number = self.answered % _DRAWS
        service = self._draws[number]
        done = start + service
        heapq.heapreplace(self._slots, (done, self._slots[0][1]))
        self.answered += 1
        self.time_in_system += done - came
        bucket = self._buckets[number] if start == came else bucket_of(done - came)
        self._ledger.answered(came, start, done, bucket)

    def _lose(self, came: float, left: float) -> None:
        self.lost += 1
        self.time_in_system += left - came
        self._ledger.lost(left)

    def _add(self, asked: float, ready: float) -> None:
        self._instances[self._born] = (asked, ready)
        for _ in range(self._model.at_once):
            heapq.heappush(self._slots, (ready, self._born))
        self._born += 1

    def _remove(self, name: int, now: float) -> None:
        asked, ready = self._instances.pop(name)
        busy = max((free for free, owner in self._slots if owner == name and ready <= now), default=now)
        self._instance_seconds += max(now, busy) - asked
        self._slots[:] = [slot for slot in self._slots if slot[1] != name]
        heapq.heapify(self._slots)


def _draws(model: Model) -> list[float]:
    if model.service_spread == 0:
        return [model.service_seconds] * _DRAWS
    generator = random.Random(model.seed)  # noqa: S311 - no secret
    sigma = math.sqrt(math.log(1 + model.service_spread**2))
    middle = math.log(model.service_seconds) - sigma**2 / 2
    draws = [generator.lognormvariate(middle, sigma) for _ in range(_DRAWS)]
    scale = model.service_seconds * _DRAWS / sum(draws)  # so few have not quite the mean that was asked for
    return [draw * scale for draw in draws]
