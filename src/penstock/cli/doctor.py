"""`penstock doctor`: why a deployment is slow, and how much it can take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.doctor_text import diagnosis_text
from penstock.cli.documents import read_bytes
from penstock.cli.errors import notice
from penstock.cli.flags import Yes
from penstock.domain.durations import duration
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.domain.observation import Look

NOUN = None  # the command stands alone
app = noun("")

_Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", "-e", help="The endpoint; without it, all in a line each."),
]
_Deployment = Annotated[
    str | None,
    typer.Option("--deployment", "-d", help="The deployment; not needed if there is but one."),
]
_Seconds = Annotated[float, typer.Option("--seconds", min=1, max=100, help="How long to look, or to make load.")]
_Requests = Annotated[
    Path | None,
    typer.Option("--requests", "-r", help="File with a request's body, or one in each line (.jsonl), to be sent."),
]


@dataclass(frozen=True)
class Load:
    """Flags that belong to `--load`."""

    load: Annotated[bool, typer.Option("--load", help="Measure how many requests/s the deployment can take.")] = False
    p99: Annotated[str, typer.Option("--p99", help="With --load: the p99 that must hold: 50ms, 1s.")] = "100ms"
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.001, help="With --load: requests/s that instances are needed for.")
    ] = None
    yes: Yes = False


@command(
    app,
    "doctor",
    example="penstock doctor -e fraud\npenstock doctor -e fraud -d blue --load --p99 50ms --rate 200 --yes",
    text=diagnosis_text,
)
def doctor(
    *,
    endpoint: _Endpoint = None,
    deployment: _Deployment = None,
    seconds: _Seconds = 10,
    requests: _Requests = None,
    load: Load,
) -> Any:
    """Say why a deployment is slow and what to change, by real requests; with --load, how much it can take."""
    target = duration(load.p99).total_seconds()
    bodies = _bodies(requests) if requests else None
    with connect() as client:
        if endpoint is None:
            if deployment or load.load or requests:
                raise invalid("give --endpoint too")
            return [_line(look) for look in client.observations.look()]
        name = deployment or _only(client, endpoint)
        from penstock.cli.examining import Examined, examined

        asked = Examined(endpoint, name, seconds, bodies, target if load.load else None, load.rate)
        if load.load:
            _agree(client, endpoint, name, yes=load.yes)
        return examined(client, asked).model_dump(mode="json")


def _only(client: "Client", endpoint: str) -> str:
    """The deployment that is meant where none is named."""
    looks = client.observations.look(endpoint)
    if len(looks) == 1:
        return looks[0].deployment
    names = ", ".join(look.deployment for look in looks)
    raise invalid(f"endpoint {endpoint!r} has {len(looks)} deployments: give --deployment {names}".rstrip())


def _agree(client: "Client", endpoint: str, name: str, *, yes: bool) -> None:
    """Load is made on what callers use at this moment: that must be wanted."""
    before = client.observations.look(endpoint, name)[0].requests
    time.sleep(1)
    others = client.observations.look(endpoint, name)[0].requests - before
    if others <= 0:
        return
    notice(f"others send {endpoint}/{name} about {others} requests/s, which the load will make wait")
    confirm(f"Make load on {endpoint}/{name} nevertheless?", yes=yes)


def _bodies(path: Path) -> Sequence[bytes]:
    content = read_bytes(path, "--requests", 10 * 1024 * 1024)
    bodies = [line for line in content.splitlines() if line.strip()] if path.suffix == ".jsonl" else [content]
    if not bodies:
        raise invalid(f"{path} holds no request")
    return bodies


def _line(look: "Look") -> Mapping[str, Any]:
    told = [i for i in look.instances if i.facts is not None]
    run = [i.stages["run"] for i in told if i.stages.get("run")]
    return {
        "endpoint": look.endpoint,
        "deployment": look.deployment,
        "state": look.state,
        "instances": f"{len(told)}/{look.instance_count}",
        "requests": look.requests,
        "failed": sum(i.failed for i in look.instances),
        "waiting": look.waiting,
        "run_p50_ms": _ms(max((t.p50 or 0.0 for t in run), default=0.0)),
        "run_p99_ms": _ms(max((t.p99 or 0.0 for t in run), default=0.0)),
        "memory_mb": round(sum(i.facts.memory_bytes for i in told if i.facts) / 1e6),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
