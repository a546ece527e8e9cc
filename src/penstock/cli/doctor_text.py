"""What `penstock doctor` prints for people: times by stage, findings, capacity. Pure."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from penstock.cli.show import table

_WIDTH = 100
_DEPLOYMENTS = table(
    "endpoint", "deployment", "state", "instances", "requests", "failed", "waiting", "run_p50_ms", "run_p99_ms",
    "memory_mb",
)  # fmt: skip
_STAGES = table("stage", "p50_ms", "p95_ms", "p99_ms", "mean_ms")


def diagnosis_text(data: Any) -> str:
    """A diagnosis, or a line per deployment."""
    if isinstance(data, list):
        return _DEPLOYMENTS(data)
    parts = [
        f"{data['endpoint']}/{data['deployment']}: {data['requests']} requests in {data['seconds']:.0f} s",
        _STAGES([_stage(name, times) for name, times in data["stages"].items()]),
        "\n".join(_findings(data["findings"])) or "nothing was found that makes it slow",
    ]
    if data["capacity"]:
        parts.append("\n".join(_capacity(data["capacity"])))
    return "\n\n".join(parts)


def _stage(name: str, times: Mapping[str, Any]) -> dict[str, str]:
    row = {f"{key}_ms": _ms(times[key]) for key in ("p50", "p95", "p99", "mean")}
    return {"stage": name, **row}


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.3f}"


def _findings(findings: Iterable[Mapping[str, str]]) -> Iterable[str]:
    for finding in findings:
        where = f" ({finding['where']})" if finding["where"] else ""
        yield from _wrapped(f"{finding['severity']:<8} ", f"{finding['what']}{where}")
        if finding["advice"]:
            yield from _wrapped(" " * 9, f"-> {finding['advice']}")


def _wrapped(first: str, text: str) -> list[str]:
    shown = "".join(c if c.isprintable() else " " for c in text)
    return textwrap.wrap(shown, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first))


def _capacity(capacity: Mapping[str, Any]) -> Iterable[str]:
    limit = f"p99 within {capacity['target'] * 1000:g} ms"
    count = capacity["instances"]
    if not capacity["rate"]:
        yield f"capacity: no load was answered with {limit}; see the findings, or allow more with --p99"
        return
    each = capacity["rate"] / max(1, count)
    proof = "" if capacity["confirmed"] else " (one connection after another; random arrivals did not confirm it)"
    yield f"capacity: {capacity['rate']:.0f} requests/s with {limit}{proof}"
    yield f"  by {count} instance{'s' if count != 1 else ''}, so {each:.0f} requests/s for each"
    if capacity["generator_limited"]:
        yield "  making the load took a whole core: the deployment may take more than this"
    if capacity["machine_limited"]:
        yield "  all cores of this machine were busy: without its other programs, this one among them, it may be more"
    if capacity["instance_count"]:
        yield f"  for {capacity['wanted_rate']:g} requests/s, with a fifth to spare:"
        yield f"  instance_count: {capacity['instance_count']}"
    yield f"  max_concurrent_requests_per_instance: {capacity['max_concurrent_requests_per_instance']}"
