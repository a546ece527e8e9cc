"""Finds the requests that both a live deployment and its shadow have answered, within bounds."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from penstock.telemetry.tape import Exchange

PATIENCE = timedelta(seconds=60)  # from one answer to the other; a copy is under way no longer
_MOST_WAITING = 5_000
_MOST_BYTES = 32 * 1024 * 1024


class Pair(NamedTuple):
    """A request as each of the two has answered it."""

    live: Exchange
    shadow: Exchange


class Pairs:
    """Joins exchanges by request id and body: whoever calls may use an id several times."""

    def __init__(self) -> None:
        self._live, self._shadow = _Waiting(), _Waiting()

    def found(self, live: Iterable[Exchange], shadow: Iterable[Exchange]) -> Sequence[Pair]:
        """The pairs that these exchanges complete."""
        pairs: list[Pair] = []
        for exchange in live:
            counterpart = self._shadow.take(exchange)
            if counterpart is None:
                self._live.add(exchange)
            else:
                pairs.append(Pair(exchange, counterpart))
        for exchange in shadow:
            counterpart = self._live.take(exchange)
            if counterpart is None:
                self._shadow.add(exchange)
            else:
                pairs.append(Pair(counterpart, exchange))
        return pairs

    def expired(self, now: datetime) -> tuple[int, int]:
        """How many live and shadow exchanges have been given up since the last call."""
        return self._live.expire(now - PATIENCE), self._shadow.expire(now - PATIENCE)


class _Waiting:
    """Exchanges without their counterpart, oldest first; the oldest ones go when there are too many."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, bytes], deque[Exchange]] = {}
        self._order: deque[Exchange] = deque()  # with those that were taken, until their turn comes
        self._taken: set[int] = set()  # ids of objects that are still in `_order`
        self._bytes = 0
        self._lost = 0

    def add(self, exchange: Exchange) -> None:
        self._by_key.setdefault(_key(exchange), deque()).append(exchange)
        self._order.append(exchange)
        self._bytes += _size(exchange)
        while len(self._order) > _MOST_WAITING or self._bytes > _MOST_BYTES:
            self._drop()

    def take(self, other: Exchange) -> Exchange | None:
        """The oldest exchange with the id and body of `other`."""
        waiting = self._by_key.get(_key(other))
        if waiting is None:
            return None
        found = waiting.popleft()
        if not waiting:
            del self._by_key[_key(other)]
        self._taken.add(id(found))
        return found

    def expire(self, before: datetime) -> int:
        while self._order and (id(self._order[0]) in self._taken or self._order[0].at < before):
            self._drop()
        lost, self._lost = self._lost, 0
        return lost

    def _drop(self) -> None:
        oldest = self._order.popleft()
        self._bytes -= _size(oldest)
        if id(oldest) in self._taken:
            self._taken.discard(id(oldest))
            return
        self.take(oldest)
        self._taken.discard(id(oldest))
        self._lost += 1


def _key(exchange: Exchange) -> tuple[str, bytes]:
    return exchange.request_id, exchange.request


def _size(exchange: Exchange) -> int:
    return len(exchange.request) + len(exchange.answer) + 512
