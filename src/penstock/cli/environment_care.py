"""`penstock environment doctor` and `logs`: whether an environment can be built, and what its build said."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import Outcome, command, noun
from penstock.cli.connection import connect
from penstock.cli.flags import Version
from penstock.cli.show import Output
from penstock.domain.errors import invalid

app = noun("")

_Patient = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        help="Environment or deployment YAML, conda file, requirements file, or an MLflow model's folder.",
        show_default=False,
    ),
]
_OptionalName = Annotated[str | None, typer.Option("--name", "-n", help="A registered environment, or NAME:VERSION.")]
_Fingerprint = Annotated[str | None, typer.Option("--fingerprint", help="An environment's fingerprint.")]
_Endpoint = Annotated[str | None, typer.Option("--endpoint-name", "-e", help="An endpoint.")]
_Deployment = Annotated[
    str | None, typer.Option("--deployment-name", "-d", help="Its deployment, whose environment is meant.")
]
_Lines = Annotated[int, typer.Option("--lines", "-l", min=1, max=10_000, help="How many lines, from the end.")]


def examination_text(data: Mapping[str, Any]) -> str:
    """What was found, a line each: the interpreter, then what is wrong, then what to change."""
    lines = [f"python    {data['python'] or 'none'}"]
    if data["resolvable"]:
        cached = "built already" if data["cached"] else "not built yet"
        lines.append(f"packages  {data['packages']}, {cached}")
    lines += [f"fault     {fault}" for fault in data["faults"]]
    lines += [f"change    {change['old']} -> {change['new'] or '(leave it out)'}" for change in data["changes"]]
    lines += [f"notice    {notice}" for notice in data["notices"]]
    if not data["complete"]:
        lines.append("notice    there was no time to look for all changes: make those above and ask again")
    return "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines)


@command(
    app,
    "doctor",
    example="penstock environment doctor -f conda.yml\npenstock environment doctor -f model/",
    text=examination_text,
)
def doctor(file: _Patient) -> Any:
    """Say what cannot be installed, what clashes, and the smallest change that helps; exit code 1 for a fault."""
    from penstock.cli.patients import read_patient

    patient = read_patient(file)
    with connect() as client:
        found = client.environments.examine(patient)
    return Outcome(found.model_dump(mode="json"), 0 if found.resolvable else 1)


@command(
    app,
    "logs",
    example="penstock environment logs -n sklearn:3\npenstock environment logs --fingerprint 72f043d2b1c2e036\n"
    "penstock environment logs -e fraud -d blue",
    text=shapes.logs_text,
    piped=Output.TABLE,
)
def logs(
    *,
    name: _OptionalName = None,
    version: Version = None,
    fingerprint: _Fingerprint = None,
    endpoint_name: _Endpoint = None,
    deployment_name: _Deployment = None,
    lines: _Lines = 200,
) -> Any:
    """Show the end of what an environment's build said."""
    if (name is not None) + (fingerprint is not None) + (endpoint_name is not None) != 1:
        raise invalid("give one of --name, --fingerprint, or --endpoint-name with --deployment-name")
    if (endpoint_name is None) is not (deployment_name is None):
        raise invalid("--endpoint-name needs --deployment-name, and the other way round")
    with connect() as client:
        if name is not None:
            bare, _, written = name.partition(":")
            found = client.environments.log(bare, version or written or "latest", lines=lines)
        elif fingerprint is not None:
            found = client.environments.log_of(fingerprint, lines=lines)
        else:
            deployment = (str(endpoint_name), str(deployment_name))
            found = client.online_deployments.logs(*deployment, lines=lines, container="build")
    return [log.model_dump() for log in found]
