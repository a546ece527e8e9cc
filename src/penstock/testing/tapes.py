"""Tapes for tests: what was put in is what was answered."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from penstock.telemetry.tape import Exchange


class RecordedTapes:
    """A `Tapes` of the exchanges that a test has put in; `rolled` are the deployments that were asked for."""

    def __init__(self) -> None:
        self._exchanges: defaultdict[str, list[Exchange]] = defaultdict(list)
        self.rolled: dict[str, timedelta] = {}

    def put(self, endpoint: str, deployment: str, *exchanges: Exchange) -> None:
        self._exchanges[f"{endpoint}/{deployment}"] += exchanges

    def roll(self, endpoint: str, deployment: str, lasting: timedelta, share: float = 1.0) -> None:
        self.rolled[f"{endpoint}/{deployment}"] = lasting

    def exchanges(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Exchange]:
        return sorted((e for e in self._exchanges[f"{endpoint}/{deployment}"] if e.at > since), key=lambda e: e.at)
