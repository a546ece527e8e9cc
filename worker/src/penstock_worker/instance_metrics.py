"""The metrics of an instance as Prometheus reads them. What requests cost is added up when somebody asks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from penstock_worker.counters import Counters
from penstock_worker.latency import cumulated
from penstock_worker.measures import totals_of
from penstock_worker.stages import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from penstock_worker.stages import Stages, Totals

_QUANTILES = (0.5, 0.95, 0.99)
_RECENT = 1024  # requests that quantiles are of
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
# Those that OpenTelemetry advises for http.server.request.duration, and some for models that answer sooner.
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


def metrics_text(sums: Mapping[str, Any], stages: Stages) -> str:
    """All of it in the exposition format 0.0.4: `sums` over all processes of the instance, as `Place` has them.

    Quantiles are of the process whose `stages` these are.
    """
    totals = totals_of(sums)
    lines = [
        *_requests(totals),
        *_batches(totals),
        *_stages(stages, totals),
        *_latency(totals),
        "# TYPE penstock_cpu_seconds_total counter",
        f"penstock_cpu_seconds_total {sums['cpu']:.6f}",
        "# TYPE penstock_memory_bytes gauge",
        f"penstock_memory_bytes {sums['memory']}",
    ]
    return "\n".join(lines) + "\n" + Counters.of(sums["counters"]).text()


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the `ordered` ones lie; zero of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _requests(totals: Totals) -> Iterable[str]:
    classes: Counter[int] = Counter()
    for status, count in (totals.statuses + totals.others).items():
        classes[status // 100] += count
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


def _latency(totals: Totals) -> Iterable[str]:
    name, count = "penstock_request_duration_seconds", sum(totals.latency.values())
    yield f"# TYPE {name} histogram"
    for bound, within in zip(_BOUNDS, cumulated(totals.latency, _BOUNDS)):  # noqa: B905 - Python 3.9
        yield f'{name}_bucket{{le="{bound:g}"}} {within}'
    yield f'{name}_bucket{{le="+Inf"}} {count}'
    yield f"{name}_sum {totals.latency_seconds:.9f}"
    yield f"{name}_count {count}"


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
