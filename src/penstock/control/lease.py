"""Leadership: of several control planes on one database, the one that holds the lease acts."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from penstock.control.clock import Clock
from penstock.control.loop import STOP, Loop
from penstock.domain.errors import PenstockError, unavailable
from penstock.store.base import Store

log = logging.getLogger(__name__)

LEASE = "controllers"
DURATION = timedelta(seconds=5)  # how long the others wait for a leader that is silent
_RENEWAL = DURATION / 5
_TRUSTED = DURATION * 0.8  # the rest is for clocks that differ and for what the leader has begun


class Leadership:
    """Takes the lease when it can and renews it. `gained` is called each time this control plane begins to lead.

    `identity` names the platform, not the process: after a crash the next process under the same identity takes the
    lease over at once. So no two may run under one identity.
    """

    def __init__(self, store: Store, clock: Clock, identity: str, gained: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._identity = identity
        self._gained = gained
        self._held_until: float | None = None  # monotonic seconds
        self._leading = False  # `gained` was called and has not failed
        self._loop = Loop("leadership", self.step)

    @property
    def held(self) -> bool:
        """True while the lease is surely ours: this ends by itself when the store cannot be reached."""
        return self._held_until is not None and self._clock.monotonic() < self._held_until

    def describe(self) -> str:
        """Who leads. Raises `unavailable` if nobody does, and what the store raises."""
        if self.held:
            return "leads"
        lease = self._store.lease(LEASE)
        if lease is None or lease.expires_at <= self._clock.now() or lease.holder == self._identity:
            raise unavailable("no control plane leads")
        return f"follows {lease.holder}"

    def step(self) -> timedelta:
        """Take or renew the lease once; returns when to do so again. Raises what the store and `gained` raise."""
        asked = self._clock.monotonic()  # before the store is asked: an answer may take long
        won = self._store.acquire_lease(LEASE, self._identity, self._clock.now(), DURATION)
        if not won or not self.held:
            # What came while the lease was in doubt was dropped, so that winning it back is gaining it.
            self._lose()
        if not won:
            return _RENEWAL
        self._held_until = asked + _TRUSTED.total_seconds()
        if not self._leading:
            self._gained()
            self._leading = True
            log.info("leadership gained", extra={"identity": self._identity})
        return _RENEWAL

    def start(self) -> None:
        self._loop.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """Give the lease back, so that another takes over at once; False if the thread did not end in time.

        Controllers are to be stopped before.
        """
        ended = self._loop.stop(timeout)
        held = self.held
        self._held_until = None
        if held:
            # What cannot be given back expires.
            with suppress(PenstockError):
                self._store.release_lease(LEASE, self._identity)
        return ended

    def _lose(self) -> None:
        if self._leading:
            log.warning("leadership lost", extra={"identity": self._identity})
        self._leading = False
        self._held_until = None
