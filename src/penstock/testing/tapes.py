"""Tapes for tests: what was put in while they rolled is on them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from penstock.telemetry.tape import Exchange
from penstock_worker.sampling import sampled


class RecordedTapes:
    """A `Tapes` whose instances are asked by the test: what it puts is kept if the deployment's tape rolls.

    `now` is the clock. `rolls` has what was asked for, by deployment (ENDPOINT/DEPLOYMENT): until when, and the share.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.rolls: dict[str, tuple[datetime, float]] = {}
        self._now = now
        self._kept: dict[str, list[Exchange]] = {}

    def put(self, deployment: str, exchange: Exchange) -> None:
        """An exchange that takes place now."""
        until, share = self._roll(deployment)
        if self._now() < until and sampled(exchange.request_id.encode(), share):
            self._kept.setdefault(deployment, []).append(exchange)

    def roll(self, endpoint: str, deployment: str, lasting: timedelta, share: float = 1.0) -> None:
        name = f"{endpoint}/{deployment}"
        until, before = self._roll(name)
        rolling = self._now() < until
        asked = self._now() + lasting
        self.rolls[name] = (max(until, asked), max(before, share)) if rolling else (asked, share)

    def exchanges(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Exchange]:
        name = f"{endpoint}/{deployment}"
        if self._now() >= self._roll(name)[0]:
            self._kept.pop(name, None)
        return sorted((e for e in self._kept.get(name, ()) if e.at > since), key=lambda e: e.at)

    def _roll(self, name: str) -> tuple[datetime, float]:
        return self.rolls.get(name, (self._now(), 0.0))
