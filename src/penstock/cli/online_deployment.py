"""`penstock online-deployment`: models that serve behind an endpoint."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.deploying import check_named, give_all_traffic, ready, unvalidated
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.flags import (
    EndpointName,
    File,
    Name,
    NoWait,
    OptionalEndpointName,
    OptionalFile,
    OptionalName,
    Yes,
)
from penstock.cli.outcomes import gone, tell
from penstock.cli.progress import Progress
from penstock.cli.show import Output
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import AppliedDeployment

NOUN = "online-deployment"
app = noun("Deployments: models that serve behind an endpoint.")

_LOCAL = ("--local", "--local-enable-gpu", "--vscode-debug", "--web")

_AllTraffic = Annotated[
    bool, typer.Option("--all-traffic", help="When it is ready, give it all of the endpoint's traffic.")
]
_Lines = Annotated[int, typer.Option("--lines", "-l", min=1, max=10_000, help="How many lines, from the end.")]
_Container = Annotated[
    str, typer.Option("--container", "-c", help="inference-server, or storage-initializer or build for the build's.")
]


@dataclass(frozen=True)
class _Manner:
    """Flags that say how a deployment is brought to serve."""

    skip_script_validation: Annotated[
        bool, typer.Option("--skip-script-validation", help="Try no prediction before it serves.")
    ] = False
    no_wait: NoWait = False

    def noted(self, document: Document) -> Document:
        """The document with what the platform has to know of it."""
        return unvalidated(document) if self.skip_script_validation else document


@command(
    app,
    "create",
    example="penstock online-deployment create -f blue.yml --all-traffic",
    text=shapes.DEPLOYMENTS,
    ignored=(*_LOCAL, "--package-model"),
)
def create(
    *,
    file: File,
    name: OptionalName = None,
    endpoint_name: OptionalEndpointName = None,
    all_traffic: _AllTraffic = False,
    sets: Sets,
    manner: _Manner,
) -> Any:
    """Create a deployment, or make an existing one be as the file says; waits until it serves."""
    if all_traffic and manner.no_wait:
        raise invalid("--all-traffic needs the deployment to be ready first: leave out --no-wait")
    document = read_one(file, DocumentKind.DEPLOYMENT).with_fields(name=name, endpoint_name=endpoint_name)
    document = manner.noted(document.replaced(edited(dict(document.fields), sets)))
    from penstock.domain.deployment import OnlineDeployment

    check_named(document)
    with connect() as client:
        spec = uploaded(client, OnlineDeployment, document)
        shown = _finished(client, client.online_deployments.create_or_update(spec), no_wait=manner.no_wait)
        if all_traffic:
            give_all_traffic(client, shown["endpoint_name"], shown["name"])
        return shown


@command(
    app,
    "update",
    example="penstock online-deployment update -n blue -e fraud --set instance_count=2",
    text=shapes.DEPLOYMENTS,
    ignored=_LOCAL,
)
def update(
    *,
    name: OptionalName = None,
    endpoint_name: OptionalEndpointName = None,
    file: OptionalFile = None,
    edits: Edits,
    manner: _Manner,
) -> Any:
    """Change a deployment, one instance after the other; fields that are not named stay as they are."""
    from penstock.domain.deployment import OnlineDeployment

    empty = Document.empty(DocumentKind.DEPLOYMENT, f"deployment {name!r}")
    document = empty if file is None else read_one(file, DocumentKind.DEPLOYMENT)
    document = document.with_fields(name=name, endpoint_name=endpoint_name)
    name, endpoint_name = check_named(document)
    with connect() as client:
        present = client.online_deployments.get(endpoint_name, name)
        fields = {**present.spec.model_dump(mode="json"), **document.fields}
        document = manner.noted(document.replaced(edited(fields, edits)))
        spec = uploaded(client, OnlineDeployment, document)
        applied = client.online_deployments.create_or_update(spec, if_match=present.generation)
        return _finished(client, applied, no_wait=manner.no_wait)


@command(
    app,
    "show",
    example="penstock online-deployment show -n blue -e fraud",
    text=shapes.DEPLOYMENTS,
    ignored=("--local", "--web"),
)
def show(name: Name, endpoint_name: EndpointName) -> Any:
    """Show a deployment."""
    with connect() as client:
        return shapes.deployment(client.online_deployments.get(endpoint_name, name))


@command(app, "list", example="penstock online-deployment list -e fraud", text=shapes.DEPLOYMENTS, ignored=("--local",))
def list_all(endpoint_name: EndpointName) -> Any:
    """List an endpoint's deployments."""
    with connect() as client:
        return [shapes.deployment(deployment) for deployment in client.online_deployments.list(endpoint_name)]


@command(app, "delete", example="penstock online-deployment delete -n blue -e fraud --yes", ignored=("--local",))
def delete(name: Name, endpoint_name: EndpointName, yes: Yes = False, no_wait: NoWait = False) -> Any:
    """Delete a deployment that takes no traffic."""
    confirm(f"Delete deployment {name!r} of endpoint {endpoint_name!r}?", yes=yes)
    with connect() as client:
        going = client.online_deployments.delete(endpoint_name, name)
        gone(client, f"deployment {name!r} of endpoint {endpoint_name!r}", going, no_wait=no_wait)


@command(
    app,
    "get-logs",
    example="penstock online-deployment get-logs -n blue -e fraud --lines 100",
    text=shapes.logs_text,
    ignored=("--local",),
    piped=Output.TABLE,
)
def get_logs(
    name: Name, endpoint_name: EndpointName, lines: _Lines = 50, container: _Container = "inference-server"
) -> Any:
    """Show the end of each instance's log (also of ended ones), or of the environment's build."""
    with connect() as client:
        found = client.online_deployments.logs(endpoint_name, name, lines=lines, container=container)
    return [log.model_dump() for log in found]


def _finished(client: "Client", applied: "AppliedDeployment", *, no_wait: bool) -> dict[str, Any]:
    """The deployment after the change, once it serves."""
    tell("deployment", applied)
    if no_wait:
        return shapes.deployment(applied.resource)
    return shapes.deployment(ready(client, applied, Progress()))
