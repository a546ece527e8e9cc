"""`penstock autoscale simulate`: what a policy would make of a trace of traffic. No platform is needed for it."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from penstock.cli.autoscale_changes import own_fields, parsed
from penstock.cli.command import command, noun
from penstock.cli.documents import DocumentKind, read_one
from penstock.cli.errors import notice
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.domain.autoscale import Autoscale
    from penstock.online.simulated_fleet import Model
    from penstock.online.simulation import Simulation

app = noun("")

_HOUR_MS = 3_600_000.0
_MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
_Trace = Annotated[
    Path,
    typer.Option("--trace", help="CSV: time; with requests, if lines stand for several.", show_default=False),
]
_Policy = Annotated[Path, typer.Option("--policy", "-f", help="File of an autoscale.", show_default=False)]
_Out = Annotated[Path | None, typer.Option("--out", help="Folder for simulation.svg, timeline.csv, decisions.csv.")]
_Start = Annotated[
    str | None, typer.Option("--start", help="When it begins, for profiles; a Monday's midnight unless the trace says.")
]
_Most = Annotated[int | None, typer.Option("--machine", min=1, help="Instances that the machine has room for.")]
_Price = Annotated[float | None, typer.Option("--price", min=0.0, max=1e9, help="Of an hour of an instance.")]


@dataclass(frozen=True)
class Serving:
    """Flags that say what serving is like; `penstock metrics` and `penstock doctor` tell it of a deployment."""

    service_ms: Annotated[
        float, typer.Option("--service-ms", min=0.01, max=_HOUR_MS, help="Mean time of a request.")
    ] = 20.0
    service_spread: Annotated[
        float, typer.Option("--service-spread", min=0.0, max=5.0, help="Its standard deviation, over the mean.")
    ] = 0.3
    start_seconds: Annotated[
        float, typer.Option("--start-seconds", min=0.0, max=3600.0, help="Until a new instance takes requests.")
    ] = 3.0
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=1000, help="Requests that an instance works on at once.")
    ] = 1
    cores: Annotated[float, typer.Option("--cores", min=0.0, max=1000.0, help="Cores that a request keeps busy.")] = 1.0
    queue: Annotated[int, typer.Option("--queue", min=0, help="Requests that may wait, per instance.")] = 100
    wait_ms: Annotated[
        float, typer.Option("--wait-ms", min=0.0, max=_HOUR_MS, help="How long a request waits at most.")
    ] = 5000.0
    seed: Annotated[int, typer.Option("--seed", help="Another one gives other service times.")] = 1

    def model(self, hold_seconds: float) -> "Model":
        from penstock.online.simulated_fleet import Model

        return Model(
            service_seconds=self.service_ms / 1000,
            service_spread=self.service_spread,
            start_seconds=self.start_seconds,
            at_once=self.concurrency,
            cores=self.cores,
            queue=self.queue,
            wait_seconds=self.wait_ms / 1000,
            hold_seconds=hold_seconds,
            seed=self.seed,
        )


def _text(data: Any) -> str:
    """A line for each fact, and the curves below."""
    from penstock.cli.simulation_chart import sparkline

    facts = cast(dict[str, Any], data)
    told = {name: value for name, value in facts.items() if name != "curves"}
    width = max(len(name) for name in told)
    lines = [f"{name.replace('_', ' '):<{width}}  {value}" for name, value in told.items()]
    curves = [f"{name.replace('_', ' '):<{width}}  {sparkline(v)}" for name, v in facts["curves"].items()]
    return "\n".join([*lines, "", *curves])


@command(
    app,
    "simulate",
    example="penstock autoscale simulate --trace examples/autoscale/day.csv --policy examples/autoscale/busy.yml "
    "--service-ms 40 --out simulated",
    text=_text,
)
def simulate(  # noqa: PLR0913 - what a simulation depends on
    *,
    trace: _Trace,
    policy: _Policy,
    serving: Serving,
    start: _Start = None,
    machine: _Most = None,
    price: _Price = None,
    out: _Out = None,
) -> Any:
    """Replay a trace against a policy in virtual time: instances, waiting, p99, cost, lost requests."""
    from penstock.cli.simulation_chart import curves, svg
    from penstock.cli.traces import moment, read_trace
    from penstock.online import simulation as simulations

    document = read_one(policy, DocumentKind.AUTOSCALE)
    spec = parsed(own_fields(dict(document.fields), document.source), document.source)
    _warn(spec)
    replayed = read_trace(trace, serving.seed)
    began_at = moment(start) if start else replayed.began_at or _MONDAY
    model = serving.model(spec.hold_time.total_seconds())
    try:
        result = simulations.simulate(spec, replayed.arrivals, model, began_at, most=machine)
    except ValueError as err:
        raise invalid(f"{trace}: {err}") from None
    if out is not None:
        _write(out, result, svg(result, f"{policy.name} on {trace.name}"))
    return {**_facts(result, spec, price), "curves": curves(result)}


def _warn(spec: "Autoscale") -> None:
    rules = [rule for each in (spec, *spec.profiles) for rule in each.rules]
    if any(rule.trigger.metric == "CpuMemoryUtilizationPercentage" for rule in rules):
        notice("memory is not simulated: rules on CpuMemoryUtilizationPercentage find a metric that cannot be read")


def _facts(result: "Simulation", spec: "Autoscale", price: float | None) -> dict[str, Any]:
    always = result.seconds / 3600 * max(each.max for each in (spec, *spec.profiles))
    facts = {
        "seconds": result.seconds,
        "requests": result.requests,
        "answered": result.answered,
        "lost": result.lost,
        "p50_ms": _rounded(result.p50),
        "p99_ms": _rounded(result.p99),
        "most_instances": result.most_instances,
        "changes": len(result.changes),
        "instance_hours": round(result.instance_hours, 4),
        "instance_hours_at_max": round(always, 4),  # of as many instances all the time
    }
    return facts if price is None else {**facts, "cost": round(price * result.instance_hours, 4)}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _write(folder: Path, result: "Simulation", picture: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "simulation.svg").write_text(picture, encoding="utf-8")
        for name, rows in (("timeline.csv", result.columns), ("decisions.csv", result.changes)):
            with (folder / name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerows([rows[0]._fields, *rows] if rows else [])
    except OSError as err:
        raise invalid(f"--out {folder} cannot be written: {err.strerror}") from None
    notice(f"written: {folder}/simulation.svg, timeline.csv, decisions.csv")
