"""Finds the rows that a model fails on, by predicting halves, and halves of these. Pure but for the model."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from penstock_worker.batch.predictions import ResultError
from penstock_worker.trace import summary

_HOPELESS = 32  # failures without a success; the path to a single row takes half as many
_LONGEST_REASON = 500  # characters


class Effort:
    """How many more calls may be made to find bad rows: of a whole mini-batch."""

    def __init__(self, calls: int) -> None:
        self.calls = calls
        self.failures = 0
        self.succeeded = False

    @property
    def spent(self) -> bool:
        return self.calls <= 0 or (self.failures >= _HOPELESS and not self.succeeded)


class Piece(NamedTuple):
    """Consecutive rows, and what was predicted for them: None if the model failed, for which `reason`."""

    start: int
    stop: int
    result: Any = None
    reason: str = ""


class Bisected(NamedTuple):
    """All rows, in order. `error` is the first failure, None if there was none."""

    pieces: list[Piece]
    error: Exception | None


def bisect(predict: Callable[[int, int], Any], rows: int, effort: Effort) -> Bisected:
    """Predict `rows` with `predict(start, stop)`: all together, and if that fails, without those it fails for.

    Once the effort is spent, rows that have not been predicted yet count as failed. `ResultError` is raised.
    """
    pieces: list[Piece] = []
    first: Exception | None = None
    waiting = [(0, rows)] if rows else []
    while waiting:
        start, stop = waiting.pop()
        if first is not None and effort.spent:
            pieces.append(Piece(start, stop, None, f"not tried alone, as too many rows failed: {_told(first)}"))
            continue
        try:
            pieces.append(Piece(start, stop, predict(start, stop)))
            effort.succeeded = True
        except ResultError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the model raises is the reason
            first = first or error
            effort.failures += 1
            if stop - start == 1:
                pieces.append(Piece(start, stop, None, f"the model failed: {_told(error)}"))
            else:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
        if first is not None:
            effort.calls -= 1
    return Bisected(pieces, first)


def _told(error: Exception) -> str:
    return summary(error)[:_LONGEST_REASON]
