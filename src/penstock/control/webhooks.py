"""Delivers recorded events to webhooks: a thread for each, so that none waits for another's receiver."""

import math
import threading
from collections.abc import Callable
from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.loop import STOP, Loop
from penstock.control.resources import Resources
from penstock.control.webhook_courier import Courier
from penstock.domain.webhook import WEBHOOK

_LOOK = timedelta(milliseconds=250)  # between two looks at the end of the event log


class WebhookDeliveries:
    """While `leading()`, events go out in the order of their ids, to each webhook by a courier of its own.

    All that must outlive this process is in the webhooks' statuses, so nothing is lost by its end.
    """

    def __init__(
        self, resources: Resources, courier: Callable[[str], Courier], leading: Callable[[], bool], clock: Clock
    ) -> None:
        self._resources = resources
        self._courier = courier
        self._leading = leading
        self._clock = clock
        self._newest = 0
        self._seen = -1
        self._rounds: dict[str, Loop] = {}
        self._lock = threading.Lock()
        self._loop = Loop("webhooks", self.step)

    def step(self) -> timedelta:
        """Look for news, and give each new webhook its thread; returns when to look again."""
        newest = self._resources.last_events(limit=1)
        self._newest = newest[0].id if newest else 0
        if self._newest != self._seen:
            self._begin({webhook.name for webhook in self._resources.list(WEBHOOK)})
            self._seen = self._newest
        return _LOOK

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """Begin no delivery any more and wait for those under way; False if one still is after `timeout`."""
        self._loop.stop(timeout)
        with self._lock:
            rounds = list(self._rounds.values())
        return all([loop.stop(timeout) for loop in rounds])

    def _begin(self, names: set[str]) -> None:
        with self._lock:
            for name in names - self._rounds.keys():
                self._rounds[name] = Loop(f"webhook-{name}", self._round(self._courier(name)))
                self._rounds[name].start()
            for name in self._rounds.keys() - names:
                self._rounds.pop(name).stop(timedelta())

    def _round(self, courier: Courier) -> Callable[[], timedelta]:
        """The turns of one courier: after news, and when it asked for one."""
        seen, due = -1, self._clock.monotonic()

        def turn() -> timedelta:
            nonlocal seen, due
            newest = self._newest
            if not self._leading() or (newest == seen and self._clock.monotonic() < due):
                return _LOOK
            wait = courier.step()
            seen = newest
            due = math.inf if wait is None else self._clock.monotonic() + wait.total_seconds()
            return timedelta() if wait == timedelta() else _LOOK

        return turn
