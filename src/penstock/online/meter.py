"""Measures, once a second, what deployments do: by the gateway's counts, and by what instances write of themselves."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import psutil

from penstock.control.clock import Clock
from penstock.control.loop import STOP, Loop
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.errors import PenstockError
from penstock.domain.events import Event
from penstock.domain.instance import parse_instance_name
from penstock.gateway.base import Gateway, Tally
from penstock.online.history import Histories
from penstock.online.measuring import Snapshot, measured
from penstock.online.places import Places
from penstock.online.sums import Sums, sums_of
from penstock.telemetry.series import Window

log = logging.getLogger(__name__)

INSTANCE_DIED = "InstanceDied"  # the event of an unwanted end
_INTERVAL = 1.0


class Meter:
    """A `Windows`. It measures in every control plane, so that the next one that leads knows what has been.

    While the gateway does not answer nothing is measured. What instances tell is left out for those that tell nothing:
    containers that run a server of their own.
    """

    def __init__(self, gateway: Gateway, places: Places, clock: Clock) -> None:
        self._gateway = gateway
        self._places = places
        self._clock = clock
        self._histories = Histories()
        self._before: Snapshot | None = None
        self._deaths: Counter[str] = Counter()
        self._silent = False
        self._loop = Loop("meter", self._turn, timedelta(seconds=_INTERVAL))

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if the thread did not end in time."""
        return self._loop.stop(timeout)

    def window(self, deployment: str, start: datetime, end: datetime) -> Window:
        """See `Windows`."""
        return self._histories.window(deployment, start, end)

    def last_request_at(self, deployment: str) -> datetime | None:
        """When the deployment was seen to have or answer a request last; None if never since this process began."""
        return self._histories.last_request_at(deployment)

    def note(self, event: Event) -> None:
        """Count the ends of instances, whichever control plane has seen them."""
        if event.kind == ONLINE_DEPLOYMENT.name and event.reason == INSTANCE_DIED:
            self._deaths[event.name] += 1

    def step(self) -> None:
        """Look once; what lies between this look and the one before is measured."""
        now = self._look()
        if now is None:
            return
        if self._before is not None:
            self._histories.put(measured(self._before, now), now.at)
        self._before = now

    def _turn(self) -> timedelta:
        began = time.monotonic()
        self.step()
        return timedelta(seconds=max(0.1, _INTERVAL - (time.monotonic() - began)))

    def _look(self) -> Snapshot | None:
        try:
            tallies = self._gateway.tallies()
        except PenstockError as err:
            if not self._silent:
                log.warning("gateway cannot be measured", extra={"error": err.message})
            self._silent = True
            return None
        self._silent = False
        at = self._clock.now()
        sums = self._sums(tallies)
        return Snapshot(at=at, tallies=tallies, sums=sums, deaths=dict(self._deaths), cores=psutil.cpu_count() or 1)

    def _sums(self, tallies: Iterable[Tally]) -> Mapping[str, Sums]:
        """What each instance that the gateway knows says; what it said before if it cannot be read now."""
        before: Mapping[str, Sums] = self._before.sums if self._before is not None else {}
        found: dict[str, Sums] = {}
        for name in {s for tally in tallies for counts in tally.deployments.values() for s in counts.servers}:
            sums = self._sums_of(name) or before.get(name)
            if sums is not None:
                found[name] = sums
        return found

    def _sums_of(self, name: str) -> Sums | None:
        instance = parse_instance_name(name)
        return None if instance is None else sums_of(self._places, instance)
