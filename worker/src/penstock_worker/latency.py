"""Latencies in buckets that each reach a fixed factor as far as the one before: those of many processes add up."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from penstock_worker.contract import LATENCY_FLOOR, LATENCY_GROWTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_BUCKETS = 256  # the last one holds all that is longer: four days

EDGES = tuple(LATENCY_FLOOR * LATENCY_GROWTH**number for number in range(_BUCKETS - 1))  # the upper ones


def count_in_buckets(seconds: Iterable[float], counts: dict[int, int]) -> None:
    """Add the numbers of `seconds` to the `counts` of their buckets. Costs some 40 ns for each of several hundred."""
    ordered = sorted(seconds)
    at = 0
    while at < len(ordered):
        bucket = bisect_left(EDGES, ordered[at])
        after = bisect_left(ordered, EDGES[bucket], at + 1) if bucket < len(EDGES) else len(ordered)
        counts[bucket] = counts.get(bucket, 0) + after - at
        at = after


def cumulated(counts: Mapping[int, int], bounds: Sequence[float]) -> Iterator[int]:
    """How many lie below each of the ascending `bounds`; a bucket that a bound divides goes where its middle lies."""
    ordered = sorted(counts.items())
    seen = at = 0
    for bound in bounds:
        while at < len(ordered) and _middle(ordered[at][0]) <= bound:
            seen += ordered[at][1]
            at += 1
        yield seen


def _middle(bucket: int) -> float:
    return LATENCY_FLOOR * LATENCY_GROWTH ** (bucket - 0.5)
