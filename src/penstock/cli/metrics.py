"""`penstock metrics`: what each instance does at this moment, or what deployments did in the last minutes."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.show import table
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.domain.observation import InstanceLook, Look, Minute

_MINUTES = 10

NOUN = None  # the command stands alone
app = noun("")

_Endpoint = Annotated[str | None, typer.Option("--endpoint-name", "-e", help="Of this endpoint alone.")]
_Deployment = Annotated[str | None, typer.Option("--deployment-name", "-d", help="Of this deployment of it alone.")]
_Seconds = Annotated[float, typer.Option("--seconds", min=0.2, max=60, help="How long requests are counted.")]
_Minutes = Annotated[
    int | None, typer.Option("--minutes", min=1, max=60, help="Show deployments, in so many minutes up to now.")
]
_Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="Azure Monitor's name of what is to be shown of them, like RequestLatency_P99."),
]

_INSTANCES = table(
    "instance",
    "requests_per_s",
    "errors_per_s",
    "wait_p50_ms",
    "run_p50_ms",
    "run_p95_ms",
    "batch",
    "cpu",
    "memory_mb",
)
_DEPLOYMENTS = table()
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@command(
    app,
    "metrics",
    example="penstock metrics\npenstock metrics -e fraud -d blue --seconds 10\n"
    "penstock metrics -e fraud --minutes 10 --metric RequestsPerMinute --metric RequestLatency_P99",
    text=lambda rows: _text(rows),  # noqa: PLW0108 - below
)
def metrics(
    *,
    endpoint_name: _Endpoint = None,
    deployment_name: _Deployment = None,
    seconds: _Seconds = 2,
    minutes: _Minutes = None,
    metric: _Metrics = None,
) -> Any:
    """Show for each instance its requests, times, batches, processor time and memory.

    With --minutes or --metric, what the deployments of the endpoint did minute by minute, by Azure Monitor's names.
    """
    if deployment_name and not endpoint_name:
        raise invalid("--deployment-name needs --endpoint-name")
    if minutes or metric:
        return _last_minutes(endpoint_name, deployment_name, minutes or _MINUTES, metric or ())
    with connect() as client:
        before = client.observations.look(endpoint_name, deployment_name)
        time.sleep(seconds)
        after = client.observations.look(endpoint_name, deployment_name)
    known = {(i.name, i.pid): i for i in _instances(before)}
    return [_row(known.get((i.name, i.pid)), i) for i in _instances(after)]


def _text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Heads of tables are made of words with underscores."""
    if not rows or "deployment" not in rows[0]:
        return _INSTANCES(rows)
    return _DEPLOYMENTS([{_CAPITAL.sub("_", name).lower(): value for name, value in row.items()} for row in rows])


def _last_minutes(
    endpoint: str | None, deployment: str | None, minutes: int, metrics: Sequence[str]
) -> list[Mapping[str, Any]]:
    if not endpoint:
        raise invalid("--minutes and --metric need --endpoint-name")
    with connect() as client:
        return [_minute(each) for each in client.observations.minutes(endpoint, deployment, minutes, metrics)]


def _minute(minute: "Minute") -> Mapping[str, Any]:
    """`seconds` is for how long of it was measured."""
    values = {name: None if value is None else round(value, 3) for name, value in minute.values.items()}
    return {
        "deployment": minute.deployment,
        "at": minute.at.isoformat(timespec="minutes"),
        "seconds": round(minute.seconds),
        **values,
    }


def _instances(looks: "Iterable[Look]") -> "Iterable[InstanceLook]":
    return (instance for look in looks for instance in look.instances)


def _row(before: "InstanceLook | None", now: "InstanceLook") -> Mapping[str, Any]:
    """Rates since `before`; percentiles of the last thousand requests."""
    if now.facts is None or before is None or before.facts is None or now.at <= before.at:
        return {"instance": now.name, "phase": now.phase}
    seconds = now.at - before.at
    errors = now.failed + now.refused - before.failed - before.refused
    runs = now.runs - before.runs
    times = now.stages
    return {
        "instance": now.name,
        "phase": now.phase,
        "requests_per_s": round((now.requests - before.requests) / seconds, 1),
        "errors_per_s": round(errors / seconds, 1),
        **{
            f"{stage}_{share}_ms": round((getattr(each, share) or 0.0) * 1000, 3)
            for stage, each in times.items()
            for share in ("p50", "p95")
        },
        "batch": round((now.answered - before.answered) / runs, 1) if runs > 0 else None,
        "cpu": round((now.facts.cpu_seconds - before.facts.cpu_seconds) / seconds, 2),
        "memory_mb": round(now.facts.memory_bytes / 1e6),
        "queue_ms": round(now.gateway_queue * 1000),
    }
