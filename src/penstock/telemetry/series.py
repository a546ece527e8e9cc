"""What deployments did in a span of time: requests, latency, load. Percentiles come from merged histograms."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from penstock_worker.contract import LATENCY_FLOOR, LATENCY_GROWTH


@dataclass(frozen=True)
class Histogram:
    """Seconds, counted in buckets that each reach LATENCY_GROWTH times as far as the one before.

    `counts` has the number of values in bucket i, which holds those from LATENCY_FLOOR * LATENCY_GROWTH**(i - 1) up to
    LATENCY_FLOOR * LATENCY_GROWTH**i; bucket 0 all below the floor. Buckets that are empty may be left out.
    """

    counts: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def seconds(self) -> float:
        """All values together, each taken to be in the middle of its bucket, on a logarithmic scale."""
        middle = LATENCY_FLOOR / math.sqrt(LATENCY_GROWTH)  # of bucket 0
        return sum(count * middle * LATENCY_GROWTH**bucket for bucket, count in self.counts.items())

    def percentile(self, share: float) -> float | None:
        """Seconds below which this share (0 to 1) of the values lies, to within a bucket; None of no values.

        Within a bucket values are taken to be spread evenly on a logarithmic scale.
        """
        rank, seen = share * self.total, 0
        for bucket, count in sorted(self.counts.items()):
            if count and seen + count >= rank:
                within = min(1.0, max(0.0, (rank - seen) / count))
                return LATENCY_FLOOR * LATENCY_GROWTH ** (bucket - 1 + within)
            seen += count
        return None

    def since(self, earlier: "Histogram") -> "Histogram":
        """What was counted after `earlier`, which is the same histogram as it was before."""
        grown = {b: n - earlier.counts.get(b, 0) for b, n in self.counts.items()}
        return Histogram({b: n for b, n in grown.items() if n > 0})


def bucket_of(seconds: float) -> int:
    """The bucket of a `Histogram` that `seconds` falls into."""
    if seconds <= LATENCY_FLOOR:
        return 0
    return math.ceil(math.log(seconds / LATENCY_FLOOR, LATENCY_GROWTH))


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """One histogram of the values of all."""
    counts: dict[int, int] = {}
    for histogram in histograms:
        for bucket, count in histogram.counts.items():
            counts[bucket] = counts.get(bucket, 0) + count
    return Histogram(counts)


class Spread(NamedTuple):
    """A quantity that each instance has: the lowest, the mean and the highest."""

    lowest: float
    mean: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class Window:
    """What one deployment did from `start` to `end`. Copies for mirrors count like requests.

    `seconds` says for how much of that time it was measured: with 0 nothing is known, whatever the other fields say.
    `requests` were answered in it, however. Of them `refused` were the caller's fault (input that the signature, a
    contract or the script refuses) and `failed` were not (run() raised, no answer in time, the instance died or none
    could be reached, the queue was full). `latency` is the time in the instance, from the request's arrival there to
    its answer; `queue_seconds` the mean wait in the gateway before. `concurrency` is the mean number of requests that
    instances worked on or that waited for one; `ready` the mean number of instances that took requests. `restarts`
    counts unwanted ends of instances. `cpu` is in cores that each instance used, of the `cores` that the machine
    has; `memory` a share (0 to 1) of the instance's limit; None where no instance could be read.
    """

    start: datetime
    end: datetime
    seconds: float = 0.0
    requests: int = 0
    refused: int = 0
    failed: int = 0
    latency: Histogram = field(default_factory=Histogram)
    queue_seconds: float = 0.0
    concurrency: float = 0.0
    ready: float = 0.0
    restarts: int = 0
    cpu: Spread | None = None
    memory: Spread | None = None
    cores: int = 1

    def latency_percentile(self, share: float) -> float | None:
        """Seconds from the gateway to the answer that this share of requests took at most; None without requests.

        The percentile in the instance, with the mean wait in the gateway added to it.
        """
        inside = self.latency.percentile(share)
        return None if inside is None else inside + self.queue_seconds


class Windows(Protocol):
    """What was measured in the last hour, by deployment (ENDPOINT/DEPLOYMENT), second by second."""

    def window(self, deployment: str, start: datetime, end: datetime) -> Window:
        """What was measured in that time, to within the second or so that one measurement takes.

        Spans that follow each other have every measurement once. Never raises: what was not measured is missing from
        `Window.seconds`.
        """
        ...


def joined(windows: Iterable[Window], start: datetime, end: datetime) -> Window:
    """One window of several that do not overlap, weighed by how long each was measured; of none, one of 0 seconds."""
    parts = [each for each in windows if each.seconds > 0]
    seconds = sum(each.seconds for each in parts)
    requests = sum(each.requests for each in parts)
    return Window(
        start=start,
        end=end,
        seconds=seconds,
        requests=requests,
        refused=sum(each.refused for each in parts),
        failed=sum(each.failed for each in parts),
        latency=merged(each.latency for each in parts),
        queue_seconds=sum(each.queue_seconds * each.requests for each in parts) / requests if requests else 0.0,
        concurrency=sum(each.concurrency * each.seconds for each in parts) / seconds if seconds else 0.0,
        ready=sum(each.ready * each.seconds for each in parts) / seconds if seconds else 0.0,
        restarts=sum(each.restarts for each in parts),
        cpu=_spread([(each.cpu, each.seconds) for each in parts]),
        memory=_spread([(each.memory, each.seconds) for each in parts]),
        cores=parts[-1].cores if parts else 1,
    )


def _spread(parts: Iterable[tuple[Spread | None, float]]) -> Spread | None:
    told = [(spread, seconds) for spread, seconds in parts if spread is not None]
    if not told:
        return None
    mean = sum(spread.mean * seconds for spread, seconds in told) / sum(seconds for _, seconds in told)
    return Spread(min(s.lowest for s, _ in told), mean, max(s.highest for s, _ in told))
