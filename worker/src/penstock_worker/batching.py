"""Which of the waiting requests make the next batch: one group, bounded by rows and by the oldest one's deadline."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque

    from penstock_worker.scoring import Exchange

_WEIGHT = 0.1  # of the newest run in the moving averages
_SHARE = 0.5  # of what is left until the deadline, for the run itself


class Pace:
    """How long runs take: a moving average of seconds per row, over batches of the size that comes."""

    def __init__(self) -> None:
        self._per_row = 0.0

    def note(self, rows: int, seconds: float) -> None:
        per_row = seconds / max(1, rows)
        self._per_row += (per_row - self._per_row) * (_WEIGHT if self._per_row else 1.0)

    def rows_within(self, seconds: float) -> int:
        """How many rows can be expected to be done in `seconds`; at least one."""
        if self._per_row <= 0.0:
            return 1 << 30
        return max(1, int(seconds / self._per_row))


def batch_of(waiting: deque[Exchange], most_rows: int, pace: Pace, timeout: float | None) -> list[Exchange]:
    """Take the next batch out of `waiting`, which is not empty: the oldest request, and of its group what fits.

    A single request larger than `most_rows` makes a batch of its own. Requests of other groups keep their order.
    """
    oldest = waiting.popleft()
    batch, group, rows = [oldest], oldest.call.group, oldest.call.rows
    if not waiting:
        return batch
    if timeout is not None:
        left = timeout - (perf_counter() - oldest.arrived)
        most_rows = min(most_rows, pace.rows_within(max(0.0, left) * _SHARE))
    for _ in range(len(waiting)):
        exchange = waiting.popleft()
        if exchange.call.group == group and rows + exchange.call.rows <= most_rows:
            batch.append(exchange)
            rows += exchange.call.rows
        else:
            waiting.append(exchange)
    return batch
