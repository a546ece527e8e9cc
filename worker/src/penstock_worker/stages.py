"""Where the time of requests goes: the last ones, stage by stage. Costs a request well under a microsecond."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import NamedTuple, Tuple

_KEPT = 4096
_FRESH = 512  # spans that are added to the sums at a time


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


Fields = Tuple[float, float, float, float, float, int, int, int]
STAGES = ("wait", "parse", "validate", "run", "encode")


class Stages:
    """The spans of the requests that were answered last, and sums over all.

    Whoever notes one counts `answered` up and, where that reaches `due`, calls `totals`.
    """

    def __init__(self) -> None:
        self._kept: deque[Fields] = deque(maxlen=_KEPT)
        self._totals = Totals()
        self.answered = 0  # since the start of the process
        self.due = _FRESH
        self.note = self._kept.append  # the fields of `Spans`, as a plain tuple

    def last(self, since: int = 0) -> list[Spans]:
        """Those that are kept, the oldest first; of those after the first `since` that were ever answered."""
        return [Spans(*fields) for fields in self._after(since)]

    def totals(self) -> Totals:
        """Sums over all requests that were answered."""
        self._totals.add(self._after(self._totals.requests))
        self.due = self.answered + _FRESH
        return self._totals

    def _after(self, since: int) -> list[Fields]:
        return list(islice(self._kept, max(0, len(self._kept) - (self.answered - since)), None))


class Totals:
    """Sums over answered requests. They are made of many spans at a time, which costs each a tenth of a microsecond."""

    def __init__(self) -> None:
        self.requests = 0
        self.rows = 0
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.statuses: Counter[int] = Counter()
        self.batches: Counter[int] = Counter()  # requests by the size of the batch that they were in

    def add(self, spans: list[Fields]) -> None:
        if not spans:
            return
        *seconds, rows, batches, statuses = zip(*spans)  # noqa: B905 - Python 3.9
        for stage, values in zip(STAGES, seconds):  # noqa: B905 - Python 3.9
            self.seconds[stage] += sum(values)
        self.requests += len(spans)
        self.rows += sum(rows)
        self.batches.update(batches)
        self.statuses.update(statuses)
