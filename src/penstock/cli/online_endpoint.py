"""`penstock online-endpoint`: stable URLs with keys and a traffic split."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import Outcome, command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_bytes, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Force, Name, NoWait, OptionalFile, OptionalName, Yes
from penstock.cli.outcomes import finished, gone
from penstock.cli.show import table
from penstock.cli.traffic import Shares
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.domain.endpoint import OnlineEndpoint

NOUN = "online-endpoint"
app = noun("Endpoints: stable URLs with keys and a traffic split.")

_WEB = ("--local", "--web/-e")
_KEYS = table("primaryKey", "secondaryKey")
_MAX_REQUEST = 1024 * 1024 * 1024  # bytes; the gateway's own limit is lower and answers 413

_DeploymentName = Annotated[
    str | None, typer.Option("--deployment-name", "-d", help="Ask this deployment, whatever its traffic.")
]
_RequestFile = Annotated[Path | None, typer.Option("--request-file", "-r", help="File with the body; - is stdin.")]
_AuthMode = Annotated[str | None, typer.Option("--auth-mode", help="Only key is served.")]
_KeyType = Annotated[str, typer.Option("--key-type", help="primary or secondary.")]


@command(
    app,
    "create",
    example="penstock online-endpoint create -f endpoint.yml\npenstock online-endpoint create -n fraud",
    text=shapes.ENDPOINTS,
    ignored=_WEB,
)
def create(
    *,
    name: OptionalName = None,
    file: OptionalFile = None,
    auth_mode: _AuthMode = None,
    sets: Sets,
    no_wait: NoWait = False,
) -> Any:
    """Create an endpoint, or make an existing one be as the file says."""
    if file is None and name is None:
        raise invalid("give --file or --name")
    document = read_one(file, DocumentKind.ENDPOINT) if file else Document.empty(DocumentKind.ENDPOINT)
    fields = edited(dict(document.with_fields(name=name, auth_mode=auth_mode).fields), sets)
    spec = _parsed(fields, document.source)
    with connect() as client:
        applied = client.online_endpoints.create_or_update(spec)
        return shapes.endpoint(finished(client, "endpoint", applied, no_wait=no_wait))


@command(
    app,
    "update",
    example='penstock online-endpoint update -n fraud --traffic "blue=90 green=10"',
    text=shapes.ENDPOINTS,
    ignored=_WEB,
)
def update(
    *,
    name: OptionalName = None,
    file: OptionalFile = None,
    shares: Shares,
    edits: Edits,
    force: Force = False,
    no_wait: NoWait = False,
) -> Any:
    """Change an endpoint; fields that are not named stay as they are."""
    document = read_one(file, DocumentKind.ENDPOINT) if file else None
    name = name or (document.text("name") if document else None)
    if name is None:
        raise invalid("give --name, or --file with a name")
    with connect() as client:
        present = client.online_endpoints.get(name)
        fields = {**present.spec.model_dump(mode="json"), **(document.fields if document else {}), "name": name}
        fields = edited(fields, edits)
        spec = _parsed({**fields, **shares.fields()}, f"endpoint {name!r}")
        applied = client.online_endpoints.create_or_update(spec, if_match=present.generation, force=force)
        return shapes.endpoint(finished(client, "endpoint", applied, no_wait=no_wait))


@command(app, "show", example="penstock online-endpoint show -n fraud", text=shapes.ENDPOINTS, ignored=_WEB)
def show(name: Name) -> Any:
    """Show an endpoint."""
    with connect() as client:
        return shapes.endpoint(client.online_endpoints.get(name))


@command(app, "list", example="penstock online-endpoint list", text=shapes.ENDPOINTS, ignored=("--local",))
def list_all() -> Any:
    """List the endpoints."""
    with connect() as client:
        return [shapes.endpoint(endpoint) for endpoint in client.online_endpoints.list()]


@command(app, "delete", example="penstock online-endpoint delete -n fraud --yes", ignored=("--local",))
def delete(name: Name, yes: Yes = False, no_wait: NoWait = False) -> Any:
    """Delete an endpoint and its deployments."""
    confirm(f"Delete endpoint {name!r} and all its deployments?", yes=yes)
    with connect() as client:
        going = client.online_endpoints.delete(name)
        gone(client, f"endpoint {name!r}", going, no_wait=no_wait)


@command(
    app,
    "invoke",
    example="penstock online-endpoint invoke -n fraud -r request.json\n"
    "echo '{\"data\": [[1, 2]]}' | penstock online-endpoint invoke -n fraud -d green -r -",
    ignored=("--local",),
)
def invoke(name: Name, request_file: _RequestFile = None, deployment_name: _DeploymentName = None) -> Any:
    """Send a request and print the answer as it comes; exit code 1 unless its status is 2xx."""
    body = _body(request_file)
    with connect() as client:
        scored = client.online_endpoints.invoke(name, body, deployment_name=deployment_name)
    well = 200 <= scored.status < 300
    stream = sys.stdout if well else sys.stderr
    if not well:
        notice(f"error: endpoint {name!r} answered {scored.status}")
    stream.flush()
    stream.buffer.write(scored.body + (b"" if scored.body.endswith(b"\n") else b"\n"))
    stream.flush()
    return Outcome(None, 0 if well else 1)


@command(app, "get-credentials", example="penstock online-endpoint get-credentials -n fraud", text=_KEYS)
def get_credentials(name: Name) -> Any:
    """Show the two keys; either opens the endpoint."""
    with connect() as client:
        return client.online_endpoints.credentials(name).model_dump()


@command(
    app,
    "regenerate-keys",
    example="penstock online-endpoint regenerate-keys -n fraud --key-type secondary",
    text=_KEYS,
    ignored=("--no-wait",),
)
def regenerate_keys(name: Name, key_type: _KeyType = "primary") -> Any:
    """Replace one key; the other goes on being valid."""
    with connect() as client:
        return client.online_endpoints.regenerate_keys(name, key_type.lower()).model_dump()


@command(app, "rollback", example="penstock online-endpoint rollback -n fraud", text=shapes.ENDPOINTS)
def rollback(name: Name, force: Force = False, no_wait: NoWait = False) -> Any:
    """Give an endpoint the traffic that it had before the last change; nothing is restarted."""
    with connect() as client:
        applied = client.online_endpoints.rollback(name, force=force)
        return shapes.endpoint(finished(client, "endpoint", applied, no_wait=no_wait))


def _parsed(fields: dict[str, Any], source: str) -> "OnlineEndpoint":
    from penstock.domain.endpoint import OnlineEndpoint
    from penstock.domain.fields import parse

    return parse(OnlineEndpoint, fields, source)


def _body(file: Path | None) -> bytes:
    if file is None:
        return b""
    return sys.stdin.buffer.read() if str(file) == "-" else read_bytes(file, "--request-file", _MAX_REQUEST)
