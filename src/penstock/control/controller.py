"""The control loop: workers that take keys from one queue and hand each to the reconciler of its kind."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Protocol

from penstock.control.clock import Clock
from penstock.control.loop import STOP
from penstock.control.workqueue import WorkQueue
from penstock.domain.resource import Key

log = logging.getLogger(__name__)


class Reconciler(Protocol):
    """Brings the world nearer to the spec of a resource. Called for one key by one thread at a time."""

    def reconcile(self, key: Key) -> timedelta | None:
        """Take one step, safe to repeat, for the resource as the store has it now; it may be gone.

        Returns when to look again, None if only a change needs another look. An exception means: again, after a
        delay that grows.
        """
        ...


class Controller:
    """Reconciles what is enqueued while `acting()` is true.

    Keys that come while it is not are dropped: whoever begins to act calls `enqueue_all`, which asks `all_keys`.
    Keys of kinds without a reconciler are nobody's business and are dropped too.
    """

    def __init__(
        self,
        reconcilers: Mapping[str, Reconciler],
        clock: Clock,
        *,
        acting: Callable[[], bool],
        all_keys: Callable[[], Iterable[Key]],
        workers: int = 4,
    ) -> None:
        self._reconcilers = reconcilers
        self._queue = WorkQueue(clock)
        self._acting = acting
        self._all_keys = all_keys
        self._threads = [
            threading.Thread(target=self._work, name=f"reconcile-{number}", daemon=True) for number in range(workers)
        ]

    def enqueue(self, key: Key) -> None:
        if key.kind in self._reconcilers:
            self._queue.add(key)

    def enqueue_all(self) -> None:
        """Have every resource looked at: after a start, and whenever this control plane begins to act."""
        for key in self._all_keys():
            self.enqueue(key)

    def step(self) -> Key | None:
        """Reconcile the next key that is due and return it; None if none is."""
        key = self._queue.take()
        if key is not None:
            self._reconcile(key)
        return key

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """Begin nothing any more and wait for what is going on; False if some of it still runs after `timeout`."""
        self._queue.shut_down()
        deadline = time.monotonic() + timeout.total_seconds()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (key := self._queue.get()) is not None:
            self._reconcile(key)

    def _reconcile(self, key: Key) -> None:
        try:
            again = self._reconcilers[key.kind].reconcile(key) if self._acting() else None
        except Exception:
            # The one place of the control loop that catches everything: a fault in one resource must not stop
            # the others.
            delay = self._queue.add_backoff(key)
            log.exception("reconcile failed", extra={"key": f"{key.kind}/{key.name}", "again_in": str(delay)})
        else:
            self._queue.forget_failures(key)
            if again is not None:
                self._queue.add_after(key, again)
        finally:
            self._queue.done(key)
