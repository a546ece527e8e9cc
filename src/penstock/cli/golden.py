"""`penstock golden`: requests with the answers that a deployment must give."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.command import Outcome, command, noun
from penstock.cli.connection import connect
from penstock.cli.errors import notice
from penstock.cli.progress import Progress
from penstock.cli.show import table
from penstock.domain.errors import failed, invalid

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.domain.golden import Recording, RecordingRequest

NOUN = "golden"
app = noun("Golden requests: requests with the answers that a deployment must give.")

_PAUSE = 0.5  # seconds between two looks at the tape
_ENOUGH = 4  # times as many different requests as are wanted: enough to choose from

_Endpoint = Annotated[str, typer.Option("--endpoint", "-e", help="The endpoint.", show_default=False)]
_Deployment = Annotated[str, typer.Option("--deployment", "-d", help="The deployment.", show_default=False)]
_OptionalDeployment = Annotated[
    str | None, typer.Option("--deployment", "-d", help="The deployment; that with most traffic by default.")
]
_File = Annotated[Path, typer.Option("--file", "-f", help="Golden file: JSON Lines.", show_default=False)]
_Count = Annotated[int, typer.Option("--count", min=1, max=1000, help="The most requests to keep.")]
_Out = Annotated[Path, typer.Option("--out", help="Where to write them.", show_default=False)]
_Redact = Annotated[
    list[str] | None,
    typer.Option("--redact", help="A field, at any depth, whose values are not to be kept; repeatable."),
]
_Seconds = Annotated[int, typer.Option("--seconds", min=1, max=3600, help="How long to listen at most.")]
_Force = Annotated[bool, typer.Option("--force", help="Replace the file if there is one.")]


@dataclass(frozen=True)
class Choice:
    """Flags that say what is kept."""

    count: _Count = 50
    redact: _Redact = None
    seconds: _Seconds = 30


@command(
    app,
    "check",
    example="penstock golden check -e fraud -d green -f golden.jsonl",
    text=table("request", "path", "expected", "got"),
)
def check(endpoint: _Endpoint, deployment: _Deployment, file: _File) -> Any:
    """Say which answers of a deployment are not the expected ones; exit code 1 if there is one."""
    from penstock.cli.golden_files import read_golden

    requests = read_golden(file)
    with connect() as client:
        result = client.golden.check(endpoint, deployment, requests)
    good = result.requests - len(result.failures)
    notice(f"{good} of {result.requests} golden requests answered as expected by {deployment!r}, {result.seconds} s")
    rows = [
        {"request": failure.name, "number": failure.number, **mismatch.model_dump()}
        for failure in result.failures
        for mismatch in failure.mismatches
    ]
    return Outcome(rows, 0 if result.passed else 1)


@command(
    app,
    "record",
    example="penstock golden record -e fraud --count 50 --redact email --out golden.jsonl",
    text=table("deployment", "seen", "distinct", "kept", "file"),
)
def record(
    *,
    endpoint: _Endpoint,
    deployment: _OptionalDeployment = None,
    choice: Choice,
    out: _Out,
    force: _Force = False,
) -> Any:
    """Make a golden file from live traffic: different requests, with the answers of the deployment that serves."""
    from penstock.cli.golden_files import write_golden
    from penstock.domain.golden import RecordingRequest

    if out.exists() and not force:
        raise invalid(f"{out} exists: give --force to replace it")
    wanted = RecordingRequest(deployment=deployment, count=choice.count, redact=tuple(choice.redact or ()))
    with connect() as client:
        found = _listened(client, endpoint, wanted, choice.seconds)
        if not found.requests:
            raise failed(
                f"nothing to keep: {found.deployment!r} answered {found.seen} requests in {choice.seconds} s; "
                "send requests meanwhile, or give more --seconds"
            )
        kept = client.golden.settled(endpoint, found.deployment, found.requests, renewed=bool(choice.redact))
    if not kept:
        raise failed(f"nothing to keep: {found.deployment!r} answers the same request differently each time")
    write_golden(out, kept, force=force)
    left = len(found.requests) - len(kept)
    notice(f"{out}: {len(kept)} golden requests" + (f"; {left} left out, as their answers vary" if left else ""))
    row = {"deployment": found.deployment, "seen": found.seen, "distinct": found.distinct}
    return {**row, "kept": len(kept), "file": str(out)}


def _listened(client: "Client", endpoint: str, wanted: "RecordingRequest", seconds: int) -> "Recording":
    """What was chosen when there was enough to choose from, or the time was over."""
    progress, told = Progress(), 0.0
    found = client.golden.recording(endpoint, wanted)
    while found.distinct < _ENOUGH * wanted.count and progress.elapsed() < seconds:
        time.sleep(_PAUSE)
        pinned = wanted.model_copy(update={"deployment": found.deployment, "since": found.since})
        found = client.golden.recording(endpoint, pinned)
        if progress.elapsed() - told > 2:
            told = progress.elapsed()
            progress.say(f"{found.deployment}: {found.seen} answers, {found.distinct} different requests")
    return found
