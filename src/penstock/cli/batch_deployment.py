"""`penstock batch-deployment`: models and scripts that jobs of a batch endpoint run."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from penstock.cli import batch_shapes
from penstock.cli.command import command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.deploying import check_named, unvalidated
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
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
from penstock.cli.outcomes import finished, gone
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid

NOUN = "batch-deployment"
app = noun("Batch deployments: models and scripts that jobs of a batch endpoint run.")


@dataclass(frozen=True)
class _Manner:
    """Flags that say how a deployment is made ready, and what happens then."""

    set_default: Annotated[
        bool, typer.Option("--set-default", help="When it is ready, have it run the jobs that name no deployment.")
    ] = False
    skip_script_validation: Annotated[
        bool, typer.Option("--skip-script-validation", help="Do not load it before the first job.")
    ] = False
    no_wait: NoWait = False


@command(
    app,
    "create",
    example="penstock batch-deployment create -f deployment.yml --set-default",
    text=batch_shapes.DEPLOYMENTS,
)
def create(
    *,
    file: File,
    name: OptionalName = None,
    endpoint_name: OptionalEndpointName = None,
    sets: Sets,
    manner: _Manner,
) -> Any:
    """Create a deployment, or make an existing one be as the file says; waits until it has been loaded once."""
    if manner.set_default and manner.no_wait:
        raise invalid("--set-default needs the deployment to be ready first: leave out --no-wait")
    document = read_one(file, DocumentKind.BATCH_DEPLOYMENT).with_fields(name=name, endpoint_name=endpoint_name)
    document = document.replaced(edited(dict(document.fields), sets))
    document = unvalidated(document) if manner.skip_script_validation else document
    from penstock.domain.batch_deployment import BatchDeployment

    check_named(document)
    with connect() as client:
        spec = uploaded(client, BatchDeployment, document)
        applied = client.batch_deployments.create_or_update(spec)
        shown = batch_shapes.batch_deployment(finished(client, "deployment", applied, no_wait=manner.no_wait))
        if manner.set_default:
            client.batch_deployments.set_default(shown["endpoint_name"], shown["name"])
            notice(f"batch endpoint {shown['endpoint_name']!r} runs jobs with {shown['name']!r} by default")
        return shown


@command(
    app,
    "update",
    example="penstock batch-deployment update -n first -e fraud-batch --set settings.mini_batch_size=20",
    text=batch_shapes.DEPLOYMENTS,
)
def update(
    *,
    name: OptionalName = None,
    endpoint_name: OptionalEndpointName = None,
    file: OptionalFile = None,
    edits: Edits,
    no_wait: NoWait = False,
) -> Any:
    """Change a deployment; fields that are not named stay as they are, and so do jobs that have begun."""
    from penstock.domain.batch_deployment import BatchDeployment

    empty = Document.empty(DocumentKind.BATCH_DEPLOYMENT, f"deployment {name!r}")
    document = empty if file is None else read_one(file, DocumentKind.BATCH_DEPLOYMENT)
    document = document.with_fields(name=name, endpoint_name=endpoint_name)
    name, endpoint_name = check_named(document)
    with connect() as client:
        present = client.batch_deployments.get(endpoint_name, name)
        fields = {**present.spec.model_dump(mode="json"), **document.fields}
        spec = uploaded(client, BatchDeployment, document.replaced(edited(fields, edits)))
        applied = client.batch_deployments.create_or_update(spec, if_match=present.generation)
        return batch_shapes.batch_deployment(finished(client, "deployment", applied, no_wait=no_wait))


@command(
    app,
    "show",
    example="penstock batch-deployment show -n first -e fraud-batch",
    text=batch_shapes.DEPLOYMENTS,
)
def show(name: Name, endpoint_name: EndpointName) -> Any:
    """Show a deployment."""
    with connect() as client:
        return batch_shapes.batch_deployment(client.batch_deployments.get(endpoint_name, name))


@command(app, "list", example="penstock batch-deployment list -e fraud-batch", text=batch_shapes.DEPLOYMENTS)
def list_all(endpoint_name: EndpointName) -> Any:
    """List an endpoint's deployments."""
    with connect() as client:
        return [batch_shapes.batch_deployment(each) for each in client.batch_deployments.list(endpoint_name)]


@command(app, "delete", example="penstock batch-deployment delete -n first -e fraud-batch --yes")
def delete(name: Name, endpoint_name: EndpointName, yes: Yes = False, no_wait: NoWait = False) -> Any:
    """Delete a deployment that runs no job and is not the default of others; its jobs and what they wrote stay."""
    confirm(f"Delete deployment {name!r} of batch endpoint {endpoint_name!r}?", yes=yes)
    with connect() as client:
        going = client.batch_deployments.delete(endpoint_name, name)
        gone(client, f"deployment {name!r} of batch endpoint {endpoint_name!r}", going, no_wait=no_wait)


@command(
    app,
    "list-jobs",
    example="penstock batch-deployment list-jobs -n first -e fraud-batch",
    text=batch_shapes.jobs_text,
)
def list_jobs(name: Name, endpoint_name: EndpointName) -> Any:
    """List the deployment's jobs, the newest first."""
    with connect() as client:
        return [batch_shapes.job(job) for job in client.batch_deployments.jobs(endpoint_name, name)]
