"""Long work on stderr: each condition as it changes, with the time since the command began."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from penstock.domain.resource import Condition

_QUIET_SECONDS = 2.0  # what is done by then needs no words
_LARGE = 20e6  # bytes, of which whole megabytes tell enough


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


class Meter:
    """Says how far a transfer is, once it takes longer than people wait without asking."""

    def __init__(self, what: str, name: str, progress: Progress | None = None) -> None:
        self._what = what
        self._name = name
        self._progress = progress or Progress()
        self._told = _QUIET_SECONDS

    def __call__(self, done: int, total: int) -> None:
        if self._progress.elapsed() >= self._told:
            digits = 0 if total >= _LARGE else 1  # many small files take long, too
            self._progress.say(f"{self._what:<12} {self._name}: {done / 1e6:.{digits}f} of {total / 1e6:.{digits}f} MB")
            self._told += _QUIET_SECONDS


class Wait:
    """Says what is being waited for, once it takes longer than people wait without asking, and again if it changes."""

    def __init__(self, progress: Callable[[], Progress] = Progress) -> None:
        self._begin = progress
        self._progress: Progress | None = None
        self._told = ""

    def __call__(self, reason: str) -> None:
        if self._progress is None:
            self._progress = self._begin()
        text = reason.partition("; try again")[0]
        if self._progress.elapsed() >= _QUIET_SECONDS and text != self._told:
            self._progress.say(f"{'Waiting':<12} {text}")
            self._told = text
