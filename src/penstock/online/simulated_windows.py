"""What a simulated deployment has done, second by second, as `Windows` that decisions read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise

from penstock.telemetry.series import Histogram, Spread, Window


class Ledger:
    """A `Windows` of one deployment since `began_at`. Seconds are known once `close` has been called for them.

    Of each second: how many requests came, began to be worked on and left, with the part of the second that was left
    then. From those follow the means of how many were there, and how many of them were being worked on, which takes
    so many `cores` each.
    """

    def __init__(self, began_at: datetime, seconds: int, cores: float = 1.0) -> None:
        size = seconds + 1
        self.arrivals = [0] * size
        self.latency: list[dict[int, int]] = [{} for _ in range(size)]
        self._began_at = began_at
        self._cores = cores
        self._last = size - 1
        self._done = [0] * size
        self._failed = [0] * size
        self._came = [0.0] * size
        self._gone = [0.0] * size
        self._starts = [0] * size
        self._started = [0.0] * size
        self._ended = [0.0] * size
        self._took = [0.0] * size
        self._inside = self._working = 0
        # Sums from the beginning up to each second, and what they are of.
        self._requests = [0]
        self._failures = [0]
        self._concurrency = [0.0]
        self._busy = [0.0]
        self._ready = [0.0]
        self._times = [0.0]

    @property
    def closed(self) -> int:
        """How many seconds are known."""
        return len(self._requests) - 1

    def arrived(self, at: float) -> None:
        second = int(at)
        self.arrivals[second] += 1
        self._came[second] += second + 1 - at

    def answered(self, came: float, start: float, done: float, bucket: int) -> None:
        second = int(start)
        self._starts[second] += 1
        self._started[second] += second + 1 - start
        second = min(int(done), self._last)
        self._done[second] += 1
        left = second + 1 - done
        self._gone[second] += left
        self._ended[second] += left
        self._took[second] += done - came
        counts = self.latency[second]
        counts[bucket] = counts.get(bucket, 0) + 1

    def lost(self, at: float) -> None:
        second = min(int(at), self._last)
        self._failed[second] += 1
        self._gone[second] += second + 1 - at

    def close(self, until: int, ready: float) -> None:
        """The seconds before `until` are over; so many instances took requests in them."""
        for second in range(self.closed, min(until, self._last + 1)):
            inside = self._inside + self._came[second] - self._gone[second]
            working = self._working + self._started[second] - self._ended[second]
            self._requests.append(self._requests[-1] + self._done[second])
            self._failures.append(self._failures[-1] + self._failed[second])
            self._concurrency.append(self._concurrency[-1] + max(0.0, inside))
            self._busy.append(self._busy[-1] + max(0.0, working))
            self._ready.append(self._ready[-1] + ready)
            self._times.append(self._times[-1] + self._took[second])
            self._inside += self.arrivals[second] - self._done[second] - self._failed[second]
            self._working += self._starts[second] - self._done[second]

    def window(self, deployment: str, start: datetime, end: datetime) -> Window:
        first = max(0, min(self.closed, round((start - self._began_at).total_seconds())))
        last = max(first, min(self.closed, round((end - self._began_at).total_seconds())))
        seconds = last - first
        if seconds == 0:
            return Window(start=start, end=end)
        ready = self._ready[last] - self._ready[first]
        used = self._cores * (self._busy[last] - self._busy[first]) / ready if ready else 0.0
        return Window(
            start=start,
            end=end,
            seconds=float(seconds),
            requests=self._requests[last] - self._requests[first],
            failed=self._failures[last] - self._failures[first],
            latency=_Latencies(_Counts(self.latency, first, last), self._times[last] - self._times[first]),
            concurrency=(self._concurrency[last] - self._concurrency[first]) / seconds,
            ready=ready / seconds,
            cpu=Spread(used, used, used) if ready else None,
        )

    def inside(self) -> list[float]:
        """The mean number of requests in each second that is known."""
        sums = self._concurrency
        return [after - before for before, after in pairwise(sums)]

    def percentile(self, share: float, first: int, last: int) -> float | None:
        """Of the latency of what was answered in these seconds; None if nothing was."""
        return Histogram(_merged(self.latency[first:last])).percentile(share)


@dataclass(frozen=True)
class _Latencies(Histogram):
    """A histogram whose sum is known."""

    exactly: float = 0.0

    @property
    def seconds(self) -> float:
        return self.exactly


class _Counts(Mapping[int, int]):
    """Counts that are put together when they are looked at, which most policies never do."""

    def __init__(self, seconds: Sequence[dict[int, int]], first: int, last: int) -> None:
        self._parts = (seconds, first, last)

    @cached_property
    def _all(self) -> dict[int, int]:
        seconds, first, last = self._parts
        return _merged(seconds[first:last])

    def __getitem__(self, bucket: int) -> int:
        return self._all[bucket]

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _merged(parts: Sequence[dict[int, int]]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for part in parts:
        for bucket, count in part.items():
            counts[bucket] = counts.get(bucket, 0) + count
    return counts
