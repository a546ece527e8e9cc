"""Time, as the control plane asks for it; tests bring a clock of their own."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The time of day, aware, in UTC; it may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; they only grow."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
