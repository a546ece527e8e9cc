"""SIGTERM: no new task is begun, and what does not come to its end soon is interrupted."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from penstock_worker import contract
from penstock_worker.batch.failing import EndedError

if TYPE_CHECKING:
    from collections.abc import Generator

_PATIENCE_SECONDS = 1.0  # the platform kills a worker 5 s after it has told it to end, and shutdown() needs time too


class Ending:
    """Whether the process was told to end. Before `begin`, while a script or model loads, it then ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self._began = False
        self._interruptible = False

    def listen(self) -> None:
        """To be called on the main thread, again after code of the user's that may have listened itself."""
        signal.signal(signal.SIGTERM, self._on_signal)

    def begin(self) -> None:
        self.listen()
        self._began = True

    @contextmanager
    def interrupting(self) -> Generator[None]:
        """What runs in here may be interrupted by `EndedError`, if it is patient with being asked to end."""
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _on_signal(self, _signal: int, _frame: object) -> None:
        if not self._began:
            os._exit(contract.EXIT_OK)
        if self.asked and self._interruptible:
            raise EndedError
        if not self.asked:
            self.asked = True
            again = threading.Timer(_PATIENCE_SECONDS, _remind, (threading.get_ident(),))
            again.daemon = True
            again.start()


def _remind(main_thread: int) -> None:
    """To that very thread, so that a system call that it waits in is interrupted."""
    signal.pthread_kill(main_thread, signal.SIGTERM)
