"""`penstock batch-endpoint`: stable names under which data is scored in jobs."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import batch_shapes
from penstock.cli.command import Outcome, command, noun
from penstock.cli.confirm import confirm
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Name, NoWait, OptionalFile, OptionalName, Yes, pairs
from penstock.cli.following import followed
from penstock.cli.invoking import Data, Overrides, invocation_fields
from penstock.cli.outcomes import finished, gone
from penstock.domain.errors import invalid

if TYPE_CHECKING:
    from penstock.domain.batch_endpoint import BatchEndpoint

NOUN = "batch-endpoint"
app = noun("Batch endpoints: stable names under which data is scored in jobs.")

_Defaults = Annotated[
    list[str] | None,
    typer.Option("--defaults", metavar="deployment_name=NAME", help="The deployment of jobs that name none."),
]
_Watch = Annotated[bool, typer.Option("--watch", help="Follow the job until it is over, as `job stream` does.")]


@command(
    app,
    "create",
    example="penstock batch-endpoint create -f endpoint.yml\npenstock batch-endpoint create -n fraud-batch",
    text=batch_shapes.ENDPOINTS,
)
def create(*, name: OptionalName = None, file: OptionalFile = None, sets: Sets, no_wait: NoWait = False) -> Any:
    """Create a batch endpoint, or make an existing one be as the file says."""
    if file is None and name is None:
        raise invalid("give --file or --name")
    kind = DocumentKind.BATCH_ENDPOINT
    document = (read_one(file, kind) if file else Document.empty(kind)).with_fields(name=name)
    spec = _parsed(edited(dict(document.fields), sets), document.source)
    with connect() as client:
        applied = client.batch_endpoints.create_or_update(spec)
        return batch_shapes.batch_endpoint(finished(client, "batch endpoint", applied, no_wait=no_wait, quiet=True))


@command(
    app,
    "update",
    example="penstock batch-endpoint update -n fraud-batch --defaults deployment_name=second\n"
    "penstock batch-endpoint update -n fraud-batch --set defaults.deployment_name=second",
    text=batch_shapes.ENDPOINTS,
)
def update(
    *,
    name: OptionalName = None,
    file: OptionalFile = None,
    defaults: _Defaults = None,
    edits: Edits,
    no_wait: NoWait = False,
) -> Any:
    """Change a batch endpoint; fields that are not named stay as they are."""
    document = read_one(file, DocumentKind.BATCH_ENDPOINT) if file else None
    name = name or (document.text("name") if document else None)
    if name is None:
        raise invalid("give --name, or --file with a name")
    with connect() as client:
        present = client.batch_endpoints.get(name)
        fields = {**present.spec.model_dump(mode="json"), **(document.fields if document else {}), "name": name}
        fields = edited(fields, edits)
        if defaults:
            fields["defaults"] = pairs("--defaults", defaults)
        spec = _parsed(fields, f"batch endpoint {name!r}")
        applied = client.batch_endpoints.create_or_update(spec, if_match=present.generation)
        return batch_shapes.batch_endpoint(finished(client, "batch endpoint", applied, no_wait=no_wait, quiet=True))


@command(app, "show", example="penstock batch-endpoint show -n fraud-batch", text=batch_shapes.ENDPOINTS)
def show(name: Name) -> Any:
    """Show a batch endpoint."""
    with connect() as client:
        return batch_shapes.batch_endpoint(client.batch_endpoints.get(name))


@command(app, "list", example="penstock batch-endpoint list", text=batch_shapes.ENDPOINTS)
def list_all() -> Any:
    """List the batch endpoints."""
    with connect() as client:
        return [batch_shapes.batch_endpoint(endpoint) for endpoint in client.batch_endpoints.list()]


@command(app, "delete", example="penstock batch-endpoint delete -n fraud-batch --yes")
def delete(name: Name, yes: Yes = False, no_wait: NoWait = False) -> Any:
    """Delete a batch endpoint and its deployments; its jobs and what they wrote stay."""
    confirm(f"Delete batch endpoint {name!r} and all its deployments?", yes=yes)
    with connect() as client:
        going = client.batch_endpoints.delete(name)
        gone(client, f"batch endpoint {name!r}", going, no_wait=no_wait)


@command(
    app,
    "invoke",
    example="penstock batch-endpoint invoke -n fraud-batch --input ./transactions --watch\n"
    "penstock batch-endpoint invoke -n fraud-batch --input s3://bucket/2026-05 --output-path s3://bucket/scores\n"
    "penstock batch-endpoint invoke -n fraud-batch --input ./transactions --dry-run\n"
    "penstock batch-endpoint invoke -n fraud-batch --input ./transactions --since last -m 20 -c 4",
    text=batch_shapes.job_text,
)
def invoke(*, name: Name, data: Data, overrides: Overrides, sets: Sets, watch: _Watch = False) -> Any:
    """Begin a job that scores data, and print it; it runs on the server, whatever happens to this terminal."""
    from penstock.domain.fields import parse
    from penstock.domain.invocation import Invocation

    fields = invocation_fields(data, overrides, sets)
    invocation = parse(Invocation, fields, "the command line")
    with connect() as client:
        applied = client.batch_endpoints.invoke(name, invocation)
        job = applied.resource
        notice(f"job {job.name} {'began' if applied.change == 'created' else 'was begun before'}")
        if watch:
            return followed(client, job)
        notice(f"follow it with `penstock job stream -n {job.name}`")
        return Outcome(batch_shapes.job(job))


@command(app, "list-jobs", example="penstock batch-endpoint list-jobs -n fraud-batch", text=batch_shapes.jobs_text)
def list_jobs(name: Name) -> Any:
    """List the endpoint's jobs, the newest first."""
    with connect() as client:
        return [batch_shapes.job(job) for job in client.batch_endpoints.jobs(name)]


def _parsed(fields: dict[str, Any], source: str) -> "BatchEndpoint":
    from penstock.domain.batch_endpoint import BatchEndpoint
    from penstock.domain.fields import parse

    return parse(BatchEndpoint, fields, source)
