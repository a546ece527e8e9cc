"""A background thread that takes one step after another until it is stopped."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

log = logging.getLogger(__name__)

STOP = timedelta(seconds=10)  # what is going on has so long to end


class Loop:
    """Calls `step`, waits as long as it says, and so on; after a step that fails it waits `pause`."""

    def __init__(self, name: str, step: Callable[[], timedelta], pause: timedelta = timedelta(seconds=1)) -> None:
        self._step = step
        self._pause = pause
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: timedelta = STOP) -> bool:
        """Begin no further step and wait for the present one; False if it still runs after `timeout`."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout.total_seconds())
        return not self._thread.is_alive()

    def _run(self) -> None:
        wait = timedelta()
        while not self._stopped.wait(wait.total_seconds()):
            try:
                wait = self._step()
            except Exception:
                # Top of a background thread: it must outlive a database that is away for a while.
                log.exception("background step failed", extra={"loop": self._thread.name})
                wait = self._pause
