"""Where the time of requests goes: the last ones, stage by stage. Costs a request well under a microsecond."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_KEPT = 4096


class Spans(NamedTuple):
    """One request's stages in seconds. `wait` is from its arrival until it was read, and from then until it ran.

    `run` is that of the whole batch, of `batch` requests.
    """

    wait: float
    parse: float
    validate: float
    run: float
    encode: float
    rows: int
    batch: int
    status: int


class Stages:
    """The spans of the requests that were answered last."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, float, float, float, float, int, int, int]] = deque(maxlen=_KEPT)
        self.answered = 0  # since the start of the process
        self.note = self._kept.append  # the fields of `Spans`, as a plain tuple

    def last(self) -> list[Spans]:
        """The oldest first."""
        return [Spans(*fields) for fields in self._kept]
