"""`penstock events`: who changed what, and what came of it."""

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.command import Outcome, command, noun
from penstock.cli.connection import connect
from penstock.cli.errors import INTERRUPTED

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.domain.events import Event

NOUN = None  # the command stands alone
app = noun("")

_PAUSE = 1.0  # seconds between two looks

_NameFlag = Annotated[
    str | None,
    typer.Option(
        "--name", "-n", help="Only of this endpoint with its deployments, ENDPOINT/DEPLOYMENT, job or compute."
    ),
]
_Follow = Annotated[bool, typer.Option("--follow", help="Go on printing what happens, until Ctrl-C.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many of the newest.")]


@command(
    app,
    "events",
    example="penstock events -n fraud\npenstock events --follow",
    text=lambda data: "\n".join(event_line(event) for event in data),
)
def events(name: _NameFlag = None, follow: _Follow = False, limit: _Limit = 100) -> Any:
    """Show what happened, oldest first. Followed on a pipe, each event is a line of JSON."""
    with connect() as client:
        newest = client.events.list(name=name, limit=limit)
        if not follow:
            return [event.model_dump(mode="json") for event in newest]
        try:
            _follow(client, name, newest)
        except KeyboardInterrupt:  # the way to end it
            return Outcome(None, INTERRUPTED)


def event_line(event: dict[str, Any]) -> str:
    """`2026-01-02 03:04:05  fraud/blue  Created  online-deployment 'fraud/blue' was created  (ann@host)`."""
    at = str(event["at"]).replace("T", " ")[:19]
    line = f"{at}  {event['name']:<20}  {event['reason']:<18}  {event['message']}  ({event['actor']})"
    return "".join(c if c.isprintable() else " " for c in line)


def _follow(client: "Client", name: str | None, newest: "list[Event]") -> None:
    last = 0
    while True:
        for event in newest:
            data = event.model_dump(mode="json")
            print(event_line(data) if sys.stdout.isatty() else json.dumps(data, ensure_ascii=False), flush=True)
            last = max(last, event.id)
        time.sleep(_PAUSE)
        newest = client.events.list(name=name, after=last, limit=1000)
