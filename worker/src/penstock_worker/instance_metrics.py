"""The metrics of an instance as Prometheus reads them. What requests cost is added up when somebody asks."""

from __future__ import annotations

from collections import Counter
from time import process_time
from typing import TYPE_CHECKING

from penstock_worker.memory import resident
from penstock_worker.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from penstock_worker.counters import Counters
    from penstock_worker.stages import Stages, Totals

_QUANTILES = (0.5, 0.95, 0.99)
_RECENT = 1024  # requests that quantiles are of
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


def metrics_text(counters: Counters, stages: Stages) -> str:
    """All of it in the exposition format 0.0.4."""
    totals = stages.totals()
    lines = [
        *_requests(counters, totals),
        *_batches(totals),
        *_stages(stages, totals),
        "# TYPE penstock_cpu_seconds_total counter",
        f"penstock_cpu_seconds_total {process_time():.6f}",
        "# TYPE penstock_memory_bytes gauge",
        f"penstock_memory_bytes {resident()[0]}",
    ]
    return "\n".join(lines) + "\n" + counters.text()


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the `ordered` ones lie; zero of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _requests(counters: Counters, totals: Totals) -> Iterable[str]:
    classes: Counter[int] = Counter()
    for status, count in totals.statuses.items():
        classes[status // 100] += count
    classes[4] += int(counters.value("penstock_requests_refused_total"))
    classes[5] += int(counters.value("penstock_requests_failed_total"))
    yield "# TYPE penstock_requests_total counter"
    for number in (2, 3, 4, 5):
        yield f'penstock_requests_total{{status="{number}xx"}} {classes[number]}'
    yield "# TYPE penstock_rows_total counter"
    yield f"penstock_rows_total {totals.rows}"


def _batches(totals: Totals) -> Iterable[str]:
    """A histogram of how many requests were run together; of `n` requests in batches of `size`, n / size batches."""
    yield "# TYPE penstock_batch_requests histogram"
    runs = {size: count / size for size, count in totals.batches.items()}
    for bound in _BATCHES:
        within = sum(count for size, count in runs.items() if size <= bound)
        yield f'penstock_batch_requests_bucket{{le="{bound}"}} {within:.0f}'
    yield f'penstock_batch_requests_bucket{{le="+Inf"}} {sum(runs.values()):.0f}'
    yield f"penstock_batch_requests_sum {totals.requests}"
    yield f"penstock_batch_requests_count {sum(runs.values()):.0f}"


def _stages(stages: Stages, totals: Totals) -> Iterable[str]:
    recent = stages.last(max(0, stages.answered - _RECENT))
    yield "# TYPE penstock_stage_seconds summary"
    for index, stage in enumerate(STAGES):
        ordered = sorted(spans[index] for spans in recent)
        for share in _QUANTILES:
            value = quantile(ordered, share)
            yield f'penstock_stage_seconds{{stage="{stage}",quantile="{share}"}} {value:.9f}'
        yield f'penstock_stage_seconds_sum{{stage="{stage}"}} {totals.seconds[stage]:.9f}'
        yield f'penstock_stage_seconds_count{{stage="{stage}"}} {totals.requests}'
