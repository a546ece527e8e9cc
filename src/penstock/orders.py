"""What a control plane is told to do while it runs: to end, by signals and by its API."""

import os
import select
import signal
import time
from types import FrameType

_SIGNAL, _EVERYTHING = b"s", b"e"


class Orders:
    """Made by the main thread, before anything that a signal could interrupt.

    A handler may run at any moment of the main thread, so that it takes no lock: it writes to a pipe.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._signals = 0
        self.everything = False  # gateway and instances are to end too, whatever the settings say
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heard)

    def end_everything(self) -> None:
        """For clients that ask for the end. Any thread may call it."""
        os.write(self._write, _EVERYTHING)

    def wait(self, seconds: float | None = None) -> bool:
        """True once the control plane is to end."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not self._ending():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            select.select([self._read], [], [], left)
        return True

    def at_once(self) -> bool:
        """True once somebody has lost patience: what is still going on is not waited for any more."""
        self._ending()
        return self._signals > 1

    def _ending(self) -> bool:
        try:
            told = os.read(self._read, 64)
        except BlockingIOError:
            told = b""
        self._signals += told.count(_SIGNAL)
        self.everything = self.everything or _EVERYTHING in told
        return self._signals > 0 or self.everything

    def _heard(self, number: int, frame: FrameType | None) -> None:
        try:
            os.write(self._write, _SIGNAL)
        except BlockingIOError:  # told so a thousand times
            return
