"""What pairs of answers add up to, in spans of time that can be put together. Pure."""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from penstock.domain.shadow import Deltas, Example, Latency
from penstock.online.answer_comparison import Compared, compared, row_count
from penstock.online.shadow_pairs import Pair
from penstock.telemetry.series import Histogram, bucket_of, merged

MOST_EXAMPLES = 10
_SHOWN = 1000  # characters of an example's texts
_GROWTH = 1.1  # of the buckets of differences
_NONE = -(10**6)  # the bucket of differences that are none


@dataclass
class Differences:
    """Differences of numbers, in buckets. The largest stands for all of its bucket."""

    count: int = 0
    total: float = 0.0
    largest: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict[int, int])

    def add(self, difference: float) -> None:
        bucket = math.ceil(math.log(difference, _GROWTH)) if difference > 0 else _NONE
        self.count += 1
        self.total += difference
        self.largest = max(self.largest, difference)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1

    def told(self) -> Deltas | None:
        """None if there are none."""
        if not self.count:
            return None
        p50, p95 = (self._percentile(share) for share in (0.5, 0.95))
        return Deltas(
            count=self.count, mean=min(self.total / self.count, self.largest), p50=p50, p95=p95, max=self.largest
        )

    def _percentile(self, share: float) -> float:
        seen, last = 0, max(self.buckets)
        for bucket, count in sorted(self.buckets.items()):
            seen += count
            if seen >= share * self.count and bucket != last:
                return 0.0 if bucket == _NONE else _GROWTH**bucket
        return self.largest


@dataclass
class Sums:
    """What was compared in a span of time. `worst` holds (severity, number, example), the mildest first."""

    since: datetime
    pairs: int = 0
    both_failed: int = 0
    rows: int = 0
    agreed: int = 0
    errors: tuple[int, int] = (0, 0)  # of the live deployment, of the shadow
    latencies: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))
    absolute: Differences = field(default_factory=Differences)
    relative: Differences = field(default_factory=Differences)
    unpaired: tuple[int, int] = (0, 0)
    worst: list[tuple[tuple[int, float], int, Example]] = field(
        default_factory=list[tuple[tuple[int, float], int, Example]]
    )

    def add(self, pair: Pair, tolerance: float) -> None:
        """Compare the two answers, and add what came of it."""
        live, shadow = pair
        self.pairs += 1
        for side, exchange in zip(self.latencies, pair, strict=True):
            bucket = bucket_of(exchange.seconds)
            side[bucket] = side.get(bucket, 0) + 1
        wrong = live.status >= 400, shadow.status >= 400
        self.errors = self.errors[0] + wrong[0], self.errors[1] + wrong[1]
        if all(wrong):
            self.both_failed += 1
            return
        if any(wrong):
            self.rows += row_count(shadow.answer if wrong[0] else live.answer)
            self._note((2, 0.0), _example(pair, None))
            return
        found = compared(live.answer, shadow.answer, tolerance)
        self.rows += found.rows
        self.agreed += found.agreed
        for delta in found.deltas:
            self.absolute.add(delta.absolute)
            self.relative.add(delta.relative)
        if found.worst is not None:
            different, relative = found.worst.severity
            self._note((int(different), relative), _example(pair, found))

    def _note(self, severity: tuple[int, float], example: Example) -> None:
        entry = severity, self.pairs, example
        if len(self.worst) < MOST_EXAMPLES:
            heapq.heappush(self.worst, entry)
        elif entry[:2] > self.worst[0][:2]:
            heapq.heapreplace(self.worst, entry)


def together(parts: Iterable[Sums], since: datetime) -> Sums:
    """One of several."""
    whole = Sums(since)
    for part in parts:
        whole.pairs += part.pairs
        whole.both_failed += part.both_failed
        whole.rows += part.rows
        whole.agreed += part.agreed
        whole.errors = whole.errors[0] + part.errors[0], whole.errors[1] + part.errors[1]
        whole.unpaired = whole.unpaired[0] + part.unpaired[0], whole.unpaired[1] + part.unpaired[1]
        for mine, theirs in zip(whole.latencies, part.latencies, strict=True):
            mine.update(merged((Histogram(mine), Histogram(theirs))).counts)
        for mine, theirs in ((whole.absolute, part.absolute), (whole.relative, part.relative)):
            _join(mine, theirs)
        whole.worst = sorted([*whole.worst, *part.worst], key=lambda entry: entry[:2])[-MOST_EXAMPLES:]
    return whole


def latency(counts: dict[int, int]) -> Latency | None:
    """None of no answers."""
    found = [Histogram(counts).percentile(share) for share in (0.5, 0.95, 0.99)]
    p50, p95, p99 = (value or 0.0 for value in found)
    return Latency(p50=p50, p95=p95, p99=p99) if counts else None


def examples(sums: Sums) -> Sequence[Example]:
    """The worst first."""
    return [example for _, _, example in sorted(sums.worst, key=lambda entry: entry[:2], reverse=True)]


def _join(mine: Differences, theirs: Differences) -> None:
    mine.count += theirs.count
    mine.total += theirs.total
    mine.largest = max(mine.largest, theirs.largest)
    for bucket, count in theirs.buckets.items():
        mine.buckets[bucket] = mine.buckets.get(bucket, 0) + count


def _example(pair: Pair, found: Compared | None) -> Example:
    live, shadow = pair
    worst = found.worst if found is not None else None
    delta = worst.delta.relative if worst is not None and worst.delta is not None else None
    return Example(
        at=live.at,
        request_id=live.request_id,
        kind="error" if found is None else "different" if delta is None else "number",
        row=worst.row if worst is not None else None,
        path=worst.path if worst is not None else "",
        delta=delta,
        request=_text(live.request),
        live_status=live.status,
        live=_text(live.answer),
        shadow_status=shadow.status,
        shadow=_text(shadow.answer),
    )


def _text(body: bytes) -> str:
    return body[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN]
