"""Following the event log, so that a control plane notices what was written through another one."""

from collections.abc import Callable
from datetime import timedelta

from penstock.control.loop import STOP, Loop
from penstock.domain.events import Event
from penstock.store.base import Store

_INTERVAL = timedelta(milliseconds=500)


class EventFollower:
    """Calls `seen` for every event that is recorded from its start on, in their order.

    An event comes again, and the later ones wait, until `seen` returns without raising.
    """

    def __init__(self, store: Store, seen: Callable[[Event], None]) -> None:
        self._store = store
        self._seen = seen
        self._last: int | None = None
        self._loop = Loop("events", self.step, _INTERVAL)

    def step(self) -> timedelta:
        """Pass on what is new; returns when to look again. The first call only finds the end of the log."""
        if self._last is None:
            newest = self._store.last_events(limit=1)
            self._last = newest[0].id if newest else 0
        for event in self._store.events(after=self._last):
            self._seen(event)
            self._last = event.id
        return _INTERVAL

    def start(self) -> None:
        """Raises `unavailable` if the store does not answer."""
        self.step()
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """False if the thread did not end in time."""
        return self._loop.stop(timeout)
