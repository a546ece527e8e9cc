"""Long work on stderr: each condition as it changes, with the time since the command began."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from penstock.domain.resource import Condition


class Progress:
    """Prints lines such as `  3.2s  Environment  Built  built in 2.1 s`. `label` tells several resources apart."""

    def __init__(
        self, label: str = "", stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._label = f"{label}  " if label else ""
        self._stream = stream or sys.stderr
        self._clock = clock
        self._began = clock()

    def __call__(self, condition: "Condition") -> None:
        self.say(f"{condition.name:<12} {condition.reason:<20} {condition.message}".rstrip())

    def of(self, label: str) -> "Progress":
        """The same clock, with `label` on each line."""
        part = Progress(label, self._stream, self._clock)
        part._began = self._began
        return part

    def elapsed(self) -> float:
        """Seconds since this was made."""
        return self._clock() - self._began

    def say(self, text: str) -> None:
        print(f"{self.elapsed():6.1f}s  {self._label}{text}", file=self._stream, flush=True)
