"""The results as tables in Markdown, aligned for reading as they are."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from footprint import Footprint
from measurement import Measurement
from ratios import CEILINGS, VALUES, median, verdicts
from server import Server


def rates(model: str, measurements: Sequence[Measurement], loads: Sequence[str]) -> str:
    """Medians of the rounds: requests per second, and milliseconds at p50 and p99, per load."""
    head = ["server", *(f"{load} req/s (p50 / p99 ms)" for load in loads)]
    rows = []
    for server in _servers(measurements, model):
        cells = [_of(measurements, model, server, load) for load in loads]
        rows.append([server, *(_rate(cell) for cell in cells)])
    return _table(f"Model {model}, closed loop", head, rows)


def arrivals(model: str, measurements: Sequence[Measurement], loads: Sequence[str]) -> str:
    head = ["server", *(f"{load}: answered/s, p50 / p99 / p99.9 ms" for load in loads)]
    rows = []
    for server in _servers([m for m in measurements if m.load in loads], model):
        cells = [_of(measurements, model, server, load) for load in loads]
        rows.append([server, *(_arrival(cell) for cell in cells)])
    return _table(f"Model {model}, open loop, Poisson arrivals", head, rows)


def processor(model: str, measurements: Sequence[Measurement], loads: Sequence[str]) -> str:
    head = ["server", *(f"{load} us" for load in loads), "of it, at the last"]
    rows = []
    for server in _servers([m for m in measurements if m.load in loads], model):
        cells = [_of(measurements, model, server, load) for load in loads]
        whole = [_median([m.cpu_in_all for m in cell]) for cell in cells]
        stages = {stage: _median([m.cpu.get(stage, 0.0) for m in cells[-1]]) for stage in cells[-1][0].cpu}
        parts = ", ".join(f"{stage} {used:,.0f}" for stage, used in stages.items()) if len(stages) > 1 else ""
        rows.append([server, *(f"{used:,.0f}" for used in whole), parts])
    return _table(f"Model {model}, CPU per request", head, rows)


def starts(model: str, servers: Iterable[Server]) -> str:
    head = ["server", "idle RSS MB", "idle PSS MB", "start to first right answer s"]
    rows = [
        [
            server.name,
            f"{server.idle.rss:,.0f}",
            f"{server.idle.pss:,.0f}",
            "see below" if server.start_seconds is None else f"{server.start_seconds:.1f}",
        ]
        for server in servers
        if server.idle is not None
    ]
    return _table(f"Model {model}, memory and start (of Penstock: the instance)", head, rows)


def footprints(found: Iterable[Footprint]) -> str:
    head = ["server", "RSS MB", "bare process", "its RSS MB", "above it", "process to answer s", "bare: import, load,"]
    head += ["above it s", "`create` to answer s"]
    head[6] = "bare: to answer s"
    rows = [
        [
            f.server,
            f"{f.rss:.0f}",
            f.bare,
            f"{f.bare_rss:.0f}",
            f"{f.rss - f.bare_rss:.0f} (target 30)",
            f"{f.started:.2f}",
            f"{f.bare_seconds:.2f}",
            f"{f.started - f.bare_seconds:.2f} (target 1)",
            f"{f.created:.2f}",
        ]
        for f in found
    ]
    return _table("Memory and start of an instance beside the bare process", head, rows)


def claims(measurements: Sequence[Measurement]) -> str:
    rows = [
        [
            v.claim.model,
            v.claim.load,
            f"{v.claim.server} / {v.claim.other}, {v.claim.what}",
            f"{v.ratio:.2f}",
            ", ".join(f"{ratio:.2f}" for ratio in v.ratios),
            f"{'at most' if v.claim.below else 'at least'} {v.claim.target:g}",
            "yes" if v.reached else "no",
            ", ".join(sorted(set(v.others))),
        ]
        for v in verdicts(measurements)
    ]
    for server, model, load, what, ceiling in CEILINGS:
        value = median(measurements, server, model, load, what)
        if value is not None:
            unit = "us" if what == "cpu" else "ms"
            name = "CPU of gateway and worker" if what == "cpu" else what
            reached = "yes" if value <= ceiling else "no"
            rows.append(
                [model, load, f"{server}, {name}", f"{value:.1f} {unit}", "", f"at most {ceiling:g}", reached, ""]
            )
    head = ["model", "load", "what", "median", "rounds", "target", "reached", "other side"]
    return _table("Ratios, median of the rounds", head, rows)


def drift(measurements: Sequence[Measurement]) -> str:
    rows = []
    for number in sorted({m.round for m in measurements}):
        here = [m for m in measurements if m.round == number]
        loops, others = [m.loop for m in here], [m.foreign for m in here]
        spread = [f"{value:.0f}" for value in (min(loops), statistics.median(loops), max(loops))]
        rows.append([str(number), *spread, f"{statistics.median(others):.2f}", f"{max(others):.2f}"])
    head = ["round", "a turn of a fixed loop, least ns", "median", "most", "cores used by others, median", "most"]
    return _table("The machine meanwhile", head, rows)


def validation(found: Mapping[str, Mapping[str, float]]) -> str:
    targets = {"30": 30.0, "600": 300.0}
    rows = [
        [what, columns, f"{used:.1f}", f"{targets[columns]:.0f}"]
        for what, by_width in found.items()
        for columns, used in by_width.items()
    ]
    return _table("Check of one row against the signature, in process", ["row", "columns", "us", "target us"], rows)


def _servers(measurements: Sequence[Measurement], model: str) -> list[str]:
    return list(dict.fromkeys(m.server for m in measurements if m.model == model))


def _of(measurements: Sequence[Measurement], model: str, server: str, load: str) -> list[Measurement]:
    return [m for m in measurements if (m.model, m.server, m.load) == (model, server, load)]


def _rate(cell: Sequence[Measurement]) -> str:
    if not cell:
        return ""
    rate, p50, p99 = (_median([VALUES[what](m) for m in cell]) for what in ("rate", "p50", "p99"))
    return f"{rate:,.0f} ({p50:.2f} / {p99:.1f}){_failed(cell)}"


def _arrival(cell: Sequence[Measurement]) -> str:
    if not cell:
        return ""
    rate, *percentiles = (_median([VALUES[what](m) for m in cell]) for what in ("rate", "p50", "p99", "p99.9"))
    return f"{rate:,.0f}: " + " / ".join(f"{value:,.2f}" for value in percentiles) + _failed(cell)


def _failed(cell: Sequence[Measurement]) -> str:
    failures = sum(m.loaded.failures for m in cell)
    return f", {failures:,} failed" if failures else ""


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *rows)]
    lines.insert(1, ["-" * width for width in widths])
    return f"\n### {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
