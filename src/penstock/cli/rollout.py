"""`penstock rollout`: traffic to a new deployment step by step, while guards compare it with the old one."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from penstock.cli.command import Outcome, command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import EndpointName, OptionalEndpointName, OptionalFile, OptionalName, Yes
from penstock.cli.rollout_text import change_line, rollout_row, rollout_text, rows_text
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import RemoteRollout

NOUN = "rollout"
app = noun("Rollouts: a new deployment gets the traffic step by step, and loses it when guards fail.")

PROMOTED, ROLLED_BACK, HELD = 0, 1, 4
_POLL_SECONDS = 0.5

_To = Annotated[str | None, typer.Option("--to", help="The new deployment.")]
_From = Annotated[str | None, typer.Option("--from", help="The old one; by default those that have traffic.")]
_Steps = Annotated[str | None, typer.Option("--steps", help='Percents, e.g. "5, 25, 50, 100".')]
_Bake = Annotated[str | None, typer.Option("--bake-time", help="How long each step is watched, e.g. 5m.")]
_Golden = Annotated[Path | None, typer.Option("--golden", help="Golden requests that must pass first.")]
_Watch = Annotated[bool, typer.Option("--watch", help="Stay until it is over, as `rollout watch` does.")]
_Timeout = Annotated[float | None, typer.Option("--timeout", help="Seconds to stay at most; then exit code 4.")]


@command(
    app,
    "start",
    example='penstock rollout start -e fraud --to green --steps "5, 25, 50, 100" --bake-time 2m --watch\n'
    "penstock rollout start -f rollout.yml",
    text=rollout_text,
)
def start(  # noqa: PLR0913 - a flag per field that is set often
    *,
    file: OptionalFile = None,
    name: OptionalName = None,
    endpoint_name: OptionalEndpointName = None,
    to: _To = None,
    from_: _From = None,
    steps: _Steps = None,
    bake_time: _Bake = None,
    golden: _Golden = None,
    sets: Sets,
    watch: _Watch = False,
) -> Any:
    """Start a rollout. It runs on the server: nothing that happens to this terminal changes it."""
    document = read_one(file, DocumentKind.ROLLOUT) if file else Document.empty(DocumentKind.ROLLOUT)
    document = document.with_fields(
        name=name,
        endpoint_name=endpoint_name,
        to=to,
        bake_time=bake_time,
        steps=_percents(steps),
        golden=str(golden.absolute()) if golden else None,
        **{"from": from_},
    )
    from penstock.cli.upload import compared
    from penstock.domain.rollout import Rollout

    spec = compared(Rollout, document.replaced(edited(dict(document.fields), sets)))
    with connect() as client:
        applied = client.rollouts.start(spec)
        rollout = applied.resource
        notice(
            f"rollout {rollout.name!r} {'is under way or done already' if applied.change == 'unchanged' else 'started'}"
        )
        if not watch:
            return rollout_row(rollout)
        return _watched(client, rollout, None)


@command(app, "show", example="penstock rollout show -e fraud", text=rollout_text)
def show(endpoint_name: EndpointName, name: OptionalName = None) -> Any:
    """Show where a rollout is, what each guard says, and how each step ended; without a name the latest."""
    with connect() as client:
        return rollout_row(client.rollouts.get(endpoint_name, name))


@command(app, "list", example="penstock rollout list -e fraud", text=rows_text)
def list_all(endpoint_name: OptionalEndpointName = None) -> Any:
    """List the rollouts of an endpoint, or all."""
    with connect() as client:
        return [rollout_row(each) for each in client.rollouts.list(endpoint_name)]


@command(app, "watch", example="penstock rollout watch -e fraud; echo $?", text=rollout_text)
def watch(endpoint_name: EndpointName, name: OptionalName = None, timeout: _Timeout = None) -> Any:
    """Print each change until the rollout is over.

    Exit codes: 0 promoted; 1 rolled back, aborted, overridden or failed; 2 wrong usage; 4 held: it is paused, or data
    is missing and somebody must decide, or --timeout is over.
    """
    with connect() as client:
        return _watched(client, client.rollouts.get(endpoint_name, name), timeout)


@command(app, "pause", example="penstock rollout pause -e fraud", text=rollout_text)
def pause(endpoint_name: EndpointName, name: OptionalName = None) -> Any:
    """Stay at the present step; guards go on and may still roll back."""
    return _command(endpoint_name, name, "pause")


@command(app, "resume", example="penstock rollout resume -e fraud", text=rollout_text)
def resume(endpoint_name: EndpointName, name: OptionalName = None) -> Any:
    """Go on after a pause."""
    return _command(endpoint_name, name, "resume")


@command(app, "promote", example="penstock rollout promote -e fraud --yes", text=rollout_text)
def promote(endpoint_name: EndpointName, name: OptionalName = None, yes: Yes = False) -> Any:
    """Give the new deployment all traffic now, whatever the guards say."""
    confirm(f"Give all traffic of endpoint {endpoint_name!r} to the new deployment now?", yes=yes)
    return _command(endpoint_name, name, "promote")


@command(app, "abort", example="penstock rollout abort -e fraud", text=rollout_text)
def abort(endpoint_name: EndpointName, name: OptionalName = None) -> Any:
    """Give the traffic back to what had it before, now."""
    return _command(endpoint_name, name, "abort")


@command(app, "delete", example="penstock rollout delete -e fraud -n green --yes")
def delete(endpoint_name: EndpointName, name: OptionalName = None, yes: Yes = False) -> Any:
    """Forget a rollout that is over."""
    with connect() as client:
        found = client.rollouts.get(endpoint_name, name).name.partition("/")[2]
        confirm(f"Delete rollout {found!r}?", yes=yes)
        client.rollouts.delete(endpoint_name, found)
    notice(f"rollout {found!r} is deleted")


def _command(endpoint: str, name: str | None, verb: Literal["pause", "resume", "promote", "abort"]) -> Any:
    with connect() as client:
        found = client.rollouts.get(endpoint, name).name.partition("/")[2]
        client.rollouts.command(endpoint, found, verb)
        rollout = client.rollouts.get(endpoint, found)
        deadline = time.monotonic() + 10
        while verb in ("promote", "abort") and not rollout.status.settled and time.monotonic() < deadline:
            time.sleep(0.05)
            rollout = client.rollouts.get(endpoint, found)
        return rollout_row(rollout)


def _watched(client: "Client", rollout: "RemoteRollout", timeout: float | None) -> Outcome:
    """Each change on stderr; the rollout and its exit code in the end."""
    endpoint, _, name = rollout.name.partition("/")
    deadline = None if timeout is None else time.monotonic() + timeout
    told = ""
    while True:
        line = change_line(rollout)
        if line != told:
            notice(line)
            told = line
        code = _exit_code(rollout)
        if code is None and deadline is not None and time.monotonic() >= deadline:
            code = HELD
        if code is not None:
            return Outcome(rollout_row(rollout), code)
        time.sleep(_POLL_SECONDS)
        rollout = client.rollouts.get(endpoint, name)


def _exit_code(rollout: "RemoteRollout") -> int | None:
    """None while it goes on by itself."""
    status = rollout.status
    if status.attempt != rollout.spec.attempt:
        return None
    if status.settled:
        return PROMOTED if status.phase == "promoted" else ROLLED_BACK
    held = status.verdict is not None and status.verdict.choice == "hold"
    waits = held and status.verdict is not None and status.verdict.reason in ("Paused", "DataMissing")
    return HELD if waits or rollout.spec.paused else None


def _percents(written: str | None) -> list[int] | None:
    if written is None:
        return None
    try:
        return [int(part.strip().rstrip("%")) for part in written.split(",")]
    except ValueError:
        raise invalid(f'--steps {written!r} is not understood: write percents, e.g. "5, 25, 50, 100"') from None
