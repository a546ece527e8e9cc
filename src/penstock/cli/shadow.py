"""`penstock shadow`: how the answers of a deployment that gets copies compare with those that callers get."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.flags import EndpointName

NOUN = "shadow"
app = noun("Shadows: deployments that get copies of requests, and how their answers compare.")

_Deployment = Annotated[str | None, typer.Option("--deployment-name", "--deployment", "-d", help="The shadow.")]
_Live = Annotated[str | None, typer.Option("--live", help="The deployment that answers; that with most traffic.")]
_Minutes = Annotated[float, typer.Option("--minutes", min=0.1, max=60, help="Of the last so many minutes.")]
_Watch = Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until interrupted.")]
_EXAMPLES = 3
_WIDTH = 160


def report_text(report: Mapping[str, Any]) -> str:
    """The report for people."""
    live, shadow = report["live"], report["shadow"]
    agreement = report["agreement"]
    percent = "nothing compared yet" if agreement is None else f"{agreement:.2%} of {report['rows']:,} rows agree"
    lines = [
        f"shadow {shadow['deployment']} beside {live['deployment']} of endpoint {report['endpoint']}: {percent}",
        f"  {report['pairs']:,} requests in {report['compared_seconds']:.0f} s, {report['share']:.0%} of them; "
        f"numbers may differ by {report['tolerance']:g}",
        *(_side(side) for side in (live, shadow)),
        *(_deltas(name, report[name]) for name in ("absolute", "relative") if report[name]),
        f"  copies: {report['sent']:,} sent, {report['failed']:,} failed, {report['dropped']:,} dropped, "
        f"{report['skipped']:,} too large; unpaired answers: {report['unpaired_live']:,} live, "
        f"{report['unpaired_shadow']:,} shadow",
    ]
    for example in report["examples"][:_EXAMPLES]:
        lines += _example(example)
    return "\n".join(lines)


@command(
    app,
    "show",
    example="penstock shadow show -e fraud\npenstock shadow show -e fraud -d green --minutes 5 -o json",
    text=report_text,
)
def show(
    endpoint_name: EndpointName,
    deployment: _Deployment = None,
    live: _Live = None,
    minutes: _Minutes = 60,
    watch: _Watch = False,
) -> Any:
    """Show how often the answers of a shadow agree with the live ones, how far apart they are, and the worst."""
    with connect() as client:
        while True:
            report = client.shadows.report(endpoint_name, deployment, live=live, minutes=minutes)
            row = {**report.model_dump(mode="json"), "agreement": report.agreement}
            if not watch:
                return row
            print(report_text(row), flush=True)
            time.sleep(2)


def _side(side: Mapping[str, Any]) -> str:
    times = side["latency"]
    told = "no answers" if times is None else ", ".join(f"{p} {times[p] * 1000:.1f} ms" for p in ("p50", "p95", "p99"))
    return f"  {side['deployment']}: {told}; {side['errors']:,} errors"


def _deltas(name: str, deltas: Mapping[str, Any]) -> str:
    told = ", ".join(f"{field} {deltas[field]:.4g}" for field in ("mean", "p50", "p95", "max"))
    return f"  {name} differences of {deltas['count']:,} numbers: {told}"


def _example(example: Mapping[str, Any]) -> list[str]:
    place = "" if example["row"] is None else f" in row {example['row']}"
    place += f", {example['path']}" if example["path"] else ""
    delta = "" if example["delta"] is None else f", {example['delta']:.2%} apart"
    return [
        f"  {example['kind']}{place}{delta} (request {example['request_id']})",
        f"    request  {_short(example['request'])}",
        f"    live     {example['live_status']} {_short(example['live'])}",
        f"    shadow   {example['shadow_status']} {_short(example['shadow'])}",
    ]


def _short(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."
