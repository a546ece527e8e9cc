"""The queue of the control loop: keys of resources that somebody should look at, now or later.

The same key is never in two hands at once, and keys that come twice before they are looked at are one.
"""

import threading
from datetime import timedelta

from penstock.control.clock import Clock
from penstock.domain.resource import Key

FIRST_BACKOFF = timedelta(milliseconds=200)
LONGEST_BACKOFF = timedelta(seconds=30)
_DOUBLINGS = 20  # enough to be past LONGEST_BACKOFF; bounds the arithmetic


class WorkQueue:
    """Whoever takes a key calls `done` with it afterwards. A key that is added meanwhile comes again after that."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: dict[Key, None] = {}  # in the order of arrival
        self._later: dict[Key, float] = {}  # monotonic seconds at which each is due
        self._taken: set[Key] = set()
        self._again: set[Key] = set()  # added while taken
        self._failures: dict[Key, int] = {}
        self._shut = False

    def add(self, key: Key) -> None:
        with self._changed:
            self._add(key)

    def add_after(self, key: Key, delay: timedelta) -> None:
        """Add the key once `delay` has passed; of several such calls the earliest moment counts."""
        with self._changed:
            if self._shut:
                return
            due = self._clock.monotonic() + delay.total_seconds()
            self._later[key] = min(due, self._later.get(key, due))
            self._changed.notify()

    def add_backoff(self, key: Key) -> timedelta:
        """Add the key after a delay, returned, that doubles with each failure up to `LONGEST_BACKOFF`."""
        with self._changed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
        delay = min(FIRST_BACKOFF * 2 ** min(failures, _DOUBLINGS), LONGEST_BACKOFF)
        self.add_after(key, delay)
        return delay

    def forget_failures(self, key: Key) -> None:
        with self._changed:
            self._failures.pop(key, None)

    def take(self) -> Key | None:
        """The next key that is due, or None if none is."""
        with self._changed:
            return self._take()

    def get(self) -> Key | None:
        """Wait for the next key; None once the queue is shut down."""
        with self._changed:
            while not self._shut:
                key = self._take()
                if key is not None:
                    return key
                self._changed.wait(self._seconds_to_next())
            return None

    def done(self, key: Key) -> None:
        with self._changed:
            self._taken.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._add(key)

    def shut_down(self) -> None:
        """Hand out nothing any more: what is left is found again by whoever enqueues everything at the next start."""
        with self._changed:
            self._shut = True
            self._changed.notify_all()

    def _add(self, key: Key) -> None:
        if self._shut:
            return
        if key in self._taken:
            self._again.add(key)
            return
        self._ready[key] = None
        self._changed.notify()

    def _take(self) -> Key | None:
        if self._shut:
            return None
        self._collect_due()
        key = next(iter(self._ready), None)
        if key is not None:
            del self._ready[key]
            self._taken.add(key)
        return key

    def _collect_due(self) -> None:
        now = self._clock.monotonic()
        for key in sorted((k for k, due in self._later.items() if due <= now), key=self._later.__getitem__):
            del self._later[key]
            self._add(key)

    def _seconds_to_next(self) -> float | None:
        if not self._later:
            return None
        return max(0.0, min(self._later.values()) - self._clock.monotonic())
