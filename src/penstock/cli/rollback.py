"""`penstock rollback`: back to earlier traffic, an earlier spec, or everything as it was at an event."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.errors import notice
from penstock.cli.flags import Force, NoWait
from penstock.cli.previews import plan_text
from penstock.cli.progress import Progress
from penstock.domain.errors import unavailable

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.rollbacks import Rollback
    from penstock.domain.rollback import RollbackRequest

NOUN = None  # the command stands alone
app = noun("")

_ROUNDS = 10  # of traffic that waits for deployments
_ENDPOINT = "online-endpoint"
_WAITED = (_ENDPOINT, "online-deployment", "contract")  # endpoints first: their traffic is what matters


@dataclass(frozen=True)
class Target:
    """Flags that say what is to go back, and where to."""

    endpoint: Annotated[
        str | None,
        typer.Option("--endpoint", "-e", help="Its traffic goes back to what it was before the last change."),
    ] = None
    deployment: Annotated[str | None, typer.Option("--deployment", "-d", help="Its spec goes back instead.")] = None
    to_generation: Annotated[
        int | None,
        typer.Option("--to-generation", min=1, help="Of the deployment; the last that was ready by default."),
    ] = None
    to_event: Annotated[
        int | None, typer.Option("--to-event", min=1, help="Everything goes back to what it was at this event.")
    ] = None
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete the endpoints and deployments created after the event.")
    ] = False
    force: Force = False


_DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]


@command(
    app,
    "rollback",
    example="penstock rollback -e fraud\npenstock rollback -e fraud -d green --to-generation 3\n"
    "penstock rollback --to-event 120 --dry-run",
    text=plan_text,
)
def rollback(*, target: Target, dry_run: _DryRun = False, no_wait: NoWait = False) -> Any:
    """Go back, as one change, and show what differed; repeating it changes nothing."""
    from penstock.domain.fields import parse
    from penstock.domain.rollback import RollbackRequest

    fields = {
        "endpoint": target.endpoint,
        "deployment": target.deployment,
        "generation": target.to_generation,
        "event": target.to_event,
        "prune": target.prune,
        "force": target.force,
        "dry_run": dry_run,
    }
    wanted = parse(RollbackRequest, fields, "rollback")
    with connect() as client:
        done = client.rollbacks.roll_back(wanted)
        rows = _rows(done)
        notice(done.message)
        if not dry_run:
            rows += _followed(client, wanted, done, no_wait=no_wait)
    return rows


def _followed(client: "Client", wanted: "RollbackRequest", done: "Rollback", *, no_wait: bool) -> list[dict[str, Any]]:
    """Wait for what was changed, and bring traffic back that had to wait for it; the rows of that."""
    if no_wait:
        if done.awaited:
            notice(f"roll back again once {', '.join(done.awaited)} serves, to bring its traffic back")
        return []
    rows: list[dict[str, Any]] = []
    progress = Progress()
    for _ in range(_ROUNDS):
        _wait(client, done, progress)
        if not done.awaited:
            return rows
        done = client.rollbacks.roll_back(wanted)
        rows += _rows(done)
    raise unavailable(f"{', '.join(done.awaited)} does not serve, so that its traffic stays as it is; try again")


def _wait(client: "Client", done: "Rollback", progress: Progress) -> None:
    targets = {
        (change.kind, change.name): change.generation
        for kind in _WAITED
        for change in done.changes
        if change.kind == kind and change.change != "deleted"
    }
    for name in done.awaited:
        generation = client.online_deployments.get(*name.split("/")).generation
        targets.setdefault(("online-deployment", name), generation)
    for (kind, name), generation in targets.items():
        client.wait(kind, name, generation, on_progress=progress.of(name))
        progress.say(f"{kind} {name} is ready")


def _rows(done: "Rollback") -> list[dict[str, Any]]:
    return [change.model_dump(mode="json") for change in done.changes]
