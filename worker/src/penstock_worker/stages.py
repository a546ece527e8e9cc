"""Where the time of requests goes: the last ones, stage by stage. Costs a request well under a microsecond."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Tuple

from penstock_worker.latency import count_in_buckets

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT = 4096
_FRESH = 512  # spans that are added to the sums at a time


class Spans(NamedTuple):
    """One request's stages in seconds. `wait` is from its arrival until it was read, and from then until it ran.

    `run` is that of the whole batch, of `batch` requests. `took` is from the request's arrival to its own answer; of a
    streamed answer, to its head.
    """

    wait: float
    parse: float
    validate: float
    run: float
    encode: float
    rows: int
    batch: int
    status: int
    took: float


Fields = Tuple[float, float, float, float, float, int, int, int, float]
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
        self._others: list[tuple[int, float]] = []

    def note_other(self, status: int, took: float) -> None:
        """A request that was answered without a result: refused, or failed."""
        self._others.append((status, took))
        if len(self._others) >= _FRESH:
            self.totals()

    def last(self, since: int = 0) -> list[Spans]:
        """Those that are kept, the oldest first; of those after the first `since` that were ever answered."""
        return [Spans(*fields) for fields in self._after(since)]

    def totals(self) -> Totals:
        """Sums over all requests that were answered."""
        self._totals.add(self._after(self._totals.requests))
        others, self._others = self._others, []
        self._totals.add_others(others)
        self.due = self.answered + _FRESH
        return self._totals

    def _after(self, since: int) -> list[Fields]:
        return list(islice(self._kept, max(0, len(self._kept) - (self.answered - since)), None))


class Totals:
    """Sums over answered requests. They are made of many spans at a time, which costs each 0.2 microseconds.

    `requests`, `rows`, `seconds`, `statuses` and `batches` are of those with a result; `others` has the statuses of
    those without one, which were refused or failed; `latency` and `latency_seconds` are of all.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.rows = 0
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self.statuses: Counter[int] = Counter()
        self.batches: Counter[int] = Counter()  # requests by the size of the batch that they were in
        self.others: Counter[int] = Counter()
        self.latency: dict[int, int] = {}  # requests by the number of the bucket
        self.latency_seconds = 0.0

    def add(self, spans: list[Fields]) -> None:
        if not spans:
            return
        *seconds, rows, batches, statuses, took = zip(*spans)  # noqa: B905 - Python 3.9
        for stage, values in zip(STAGES, seconds):  # noqa: B905 - Python 3.9
            self.seconds[stage] += sum(values)
        self.requests += len(spans)
        self.rows += sum(rows)
        self.batches.update(batches)
        self.statuses.update(statuses)
        self._add_latencies(took)

    def add_others(self, answered: list[tuple[int, float]]) -> None:
        """Statuses and latencies of requests without a result."""
        self.others.update(status for status, _ in answered)
        self._add_latencies([took for _, took in answered])

    def _add_latencies(self, took: Sequence[float]) -> None:
        count_in_buckets(took, self.latency)
        self.latency_seconds += sum(took)
