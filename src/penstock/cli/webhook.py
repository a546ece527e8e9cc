"""`penstock webhook`: recorded events, sent to a URL."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import Outcome, command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_bytes, read_one
from penstock.cli.errors import notice
from penstock.cli.flags import Name, OptionalFile, OptionalName, Yes
from penstock.cli.outcomes import gone
from penstock.cli.progress import Progress
from penstock.cli.show import table
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.domain.webhook import Webhook, WebhookStatus

NOUN = "webhook"
app = noun("Webhooks: recorded events, sent to a URL as signed CloudEvents.")

_LONGEST_SECRET = 500  # bytes

_SecretFile = Annotated[
    Path | None,
    typer.Option("--secret-file", help="File with the secret, or - for stdin; without it one is made and shown once."),
]
_Events = Annotated[list[int] | None, typer.Option("--event", help="Id of a dead letter; repeatable. All by default.")]


@dataclass(frozen=True)
class Fields:
    """Flags that say where events are sent, and which; they win over the file."""

    url: Annotated[str | None, typer.Option("--url", help="Where events are sent.")] = None
    reasons: Annotated[list[str] | None, typer.Option("--reason", help="Pattern of reasons; repeatable.")] = None
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="Pattern of kinds; repeatable.")] = None
    names: Annotated[list[str] | None, typer.Option("--resource", help="Pattern of names; repeatable.")] = None
    enabled: Annotated[bool | None, typer.Option("--enabled/--disabled", help="While it is disabled, events wait.")] = (
        None
    )

    def over(self, document: Document) -> Document:
        """The document with what was given."""
        given = {"reasons": self.reasons, "kinds": self.kinds, "names": self.names}
        globs = {name: patterns for name, patterns in given.items() if patterns}
        written: dict[str, Any] = document.fields.get("events") or {}
        events = {**written, **globs} if globs else None
        return document.with_fields(url=self.url, events=events, enabled=self.enabled)


@command(
    app,
    "create",
    example="penstock webhook create -n alerts --url https://example.com/hook --reason 'Rollout*'\n"
    "penstock webhook create -f alerts.yml --secret-file secret.txt",
    text=table("name", "url", "enabled", "reason", "secret"),
)
def create(
    *, name: OptionalName = None, file: OptionalFile = None, fields: Fields, secret_file: _SecretFile = None
) -> Any:
    """Send events to a URL, or change an existing webhook; a secret that is made is shown this once."""
    document = read_one(file, DocumentKind.WEBHOOK) if file else Document.empty(DocumentKind.WEBHOOK)
    document = document.with_fields(name=name)
    webhook_name = document.text("name")
    if webhook_name is None:
        raise invalid("give --name, or --file with a name")
    secret = _secret(secret_file) if secret_file else None
    with connect() as client:
        if file is None:
            document = _over_present(client, webhook_name, document)
        applied = client.webhooks.create_or_update(_parsed(fields.over(document)))
        notice(f"webhook {webhook_name!r} {applied.change}")
        made = None
        if secret is not None:
            client.webhooks.set_secret(webhook_name, secret)
        else:
            made = client.webhooks.ensure_secret(webhook_name)
        resource = client.wait("webhook", webhook_name, applied.resource.generation, on_progress=Progress())
    if made is not None:
        notice("keep the secret: it is shown this once")
    return {**shapes.webhook(resource), **({"secret": made} if made else {})}


@command(app, "show", example="penstock webhook show -n alerts", text=shapes.WEBHOOKS)
def show(name: Name) -> Any:
    """Show a webhook, and how it is doing."""
    with connect() as client:
        return shapes.webhook(client.webhooks.get(name))


@command(app, "list", example="penstock webhook list", text=shapes.WEBHOOKS)
def list_all() -> Any:
    """List the webhooks."""
    with connect() as client:
        return [shapes.webhook(each) for each in client.webhooks.list()]


@command(app, "delete", example="penstock webhook delete -n alerts --yes")
def delete(name: Name, yes: Yes = False) -> Any:
    """Send nothing to a webhook any more, and forget its secret."""
    confirm(f"Delete webhook {name!r}?", yes=yes)
    with connect() as client:
        going = client.webhooks.delete(name)
        gone(client, f"webhook {name!r}", going)


@command(
    app,
    "test",
    example="penstock webhook test -n alerts",
    text=table("handshake", "status", "seconds", "error"),
)
def test(name: Name) -> Any:
    """Ask the receiver whether it agrees, and send it a test event; exit code 1 unless it answers 2xx."""
    with connect() as client:
        found = client.webhooks.test(name)
    return Outcome(found.model_dump(mode="json"), 0 if 200 <= found.status < 300 else 1)


@command(
    app,
    "deliveries",
    example="penstock webhook deliveries -n alerts",
    text=table("event", "reason", "state", "tries", "at", "status", "error"),
)
def deliveries(name: Name) -> Any:
    """Show what was delivered last, what is tried again, and the dead letters."""
    with connect() as client:
        return _deliveries(client.webhooks.get(name).status)


@command(app, "replay", example="penstock webhook replay -n alerts --event 120", text=shapes.WEBHOOKS)
def replay(name: Name, event: _Events = None) -> Any:
    """Send dead letters again, each once; one that fails is a dead letter again."""
    with connect() as client:
        return shapes.webhook(client.webhooks.replay(name, event or ()))


def _parsed(document: Document) -> "Webhook":
    from penstock.domain.fields import parse
    from penstock.domain.webhook import Webhook

    return parse(Webhook, dict(document.fields), document.source)


def _over_present(client: "Client", name: str, document: Document) -> Document:
    """What flags alone are laid over: the webhook as it is, if there is one."""
    present = next((each for each in client.webhooks.list() if each.name == name), None)
    if present is None:
        return document
    return document.replaced({**present.spec.model_dump(mode="json", exclude_none=True), **document.fields})


def _secret(file: Path) -> str:
    """The secret, never on a command line, where others could see it."""
    if str(file) == "-":
        content = sys.stdin.buffer.read(_LONGEST_SECRET + 1)
    else:
        content = read_bytes(file, "--secret-file", _LONGEST_SECRET)
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise invalid("--secret-file: the secret is not UTF-8 text") from None


def _deliveries(status: "WebhookStatus") -> list[dict[str, Any]]:
    dead = {letter.event for letter in status.dead}
    rows = [
        {"state": "delivered" if not each.error else "given up", **each.model_dump(mode="json")}
        for each in status.deliveries
        if not each.error or each.event not in dead
    ]
    for letter in status.dead:
        state = "to be replayed" if letter.event in status.replay else "dead letter"
        rows.append({"state": state, **letter.model_dump(mode="json")})
    if status.attempts is not None:
        tried = status.attempts
        rows.append(
            {
                "state": "tried again",
                "event": tried.event,
                "tries": tried.tries,
                "at": tried.next_at.isoformat(),
                "error": tried.error,
            }
        )
    return rows
