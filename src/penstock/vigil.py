"""What a standby does until it leads: watch the leader, and end one that hangs."""

import logging
import threading
from collections.abc import Mapping
from datetime import timedelta

import httpx

from penstock import home
from penstock.api.readiness import Check
from penstock.client.transport import reach
from penstock.control.clock import Clock
from penstock.control.lease import LEASE
from penstock.control.loop import Loop
from penstock.control.succession import Silence, hangs, silence
from penstock.domain.errors import PenstockError, unavailable
from penstock.outside import identity
from penstock.settings import Settings
from penstock.store.base import Store
from penstock.store.sql import open_store

log = logging.getLogger(__name__)

_EVERY = timedelta(milliseconds=500)
_CALL_SECONDS = 2.0


class Vigil:
    """Reads the lease of a leader that holds `lock`. One that does not renew it, though the database answers us, is
    killed: it may have been stopped in the middle of something, and must not go on with it after another has begun."""

    def __init__(self, settings: Settings, lock: home.LeaderLock, clock: Clock) -> None:
        self._settings = settings
        self._identity = identity(settings)
        self._lock = lock
        self._clock = clock
        self._silence: Silence | None = None
        self._opening = threading.Lock()
        self._store: Store | None = None
        self._loop = Loop("vigil", self.step)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """Returns at once, also while the database hangs."""
        self._loop.stop(timedelta())

    def step(self) -> timedelta:
        """Look once; returns when to look again."""
        try:
            lease = self._opened().lease(LEASE)
        except PenstockError:  # nobody can renew anything; readiness tells
            self._silence = None
            return _EVERY
        now, monotonic = self._clock.now(), self._clock.monotonic()
        self._silence = silence(lease, self._identity, self._silence, now=now, monotonic=monotonic)
        if hangs(self._silence, monotonic=monotonic):
            ended = self._lock.end_holder()
            log.error("the leader does not act any more and is ended", extra={"ended": ended})
            self._silence = None
        return _EVERY

    def checks(self) -> Mapping[str, Check]:
        """What a standby needs."""
        return {"store": self._store_answers, "leader": self._leader_is_ready}

    def leader_url(self) -> str | None:
        leader = home.leader(self._settings.server_file)
        return leader.url if leader is not None else None

    def _opened(self) -> Store:
        with self._opening:
            if self._store is None:
                self._store = open_store(self._settings.database)
            return self._store

    def _store_answers(self) -> str:
        self._opened().lease(LEASE)
        return "answers"

    def _leader_is_ready(self) -> str:
        url = self.leader_url()
        if url is None:
            raise unavailable("no control plane leads")
        try:
            answer = httpx.get(f"{url}/readyz", timeout=_CALL_SECONDS, **reach(url))
        except httpx.HTTPError as err:
            raise unavailable(f"the leader at {url} does not answer") from err
        if not answer.is_success:
            raise unavailable(f"the leader at {url} is not ready: {answer.text[:300]}")
        return f"the leader at {url} is ready"
