"""Batch endpoints over HTTP."""

from typing import Any

from fastapi import APIRouter, Query, Request, Response

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, Shown, deleted, difference_rows, items, previewed, shown
from penstock.batch.batch_endpoints import Endpoint, notices
from penstock.control.resources import Change
from penstock.domain.batch_endpoint import BATCH_ENDPOINT, BatchEndpoint
from penstock.domain.fields import parse
from penstock.domain.invocation import Invocation

router = APIRouter(prefix="/batch-endpoints", tags=["batch endpoints"])

_MOST_JOBS, _DEFAULT_JOBS = 10_000, 1000


@router.get("")
def list_endpoints(platform: Platform, _: Actor, request: Request) -> Items:
    return Items(items=[_shown(endpoint, request) for endpoint in platform.resources.list(BATCH_ENDPOINT)])


@router.get("/{name}")
def get_endpoint(name: str, platform: Platform, _: Actor, request: Request) -> Any:
    return _shown(platform.resources.get(BATCH_ENDPOINT, name), request)


@router.put("/{name}")
def put_endpoint(  # noqa: PLR0913 - one parameter for each part of the request
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    request: Request,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Create the endpoint, or change it if its content differs. A dry run only says what would change."""
    spec = parse(BatchEndpoint, body, f"batch endpoint {name!r}")
    before = platform.resources.find(BATCH_ENDPOINT, name)
    if dry_run:
        return previewed(before, platform.batch_endpoints.named(name, spec), notices(spec))
    after, change = platform.batch_endpoints.apply(name, spec, actor=actor, generation=generation)
    rows = difference_rows(before.spec if before else None, after.spec)
    return Changed(resource=_shown(after, request), change=change, notices=list(notices(spec)), differences=rows)


@router.delete("/{name}", response_model=None)
def delete_endpoint(name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Begin to delete the endpoint with its deployments; 204 if there is none, 409 while its jobs are not over."""
    return deleted(platform.batch_endpoints.delete(name, actor=actor))


@router.post("/{name}/jobs", status_code=201)
def invoke(name: str, platform: Platform, actor: Actor, body: JsonBody, response: Response) -> Changed:
    """Begin a job; 200 if the same invocation began it already."""
    invocation = parse(Invocation, body, f"invocation of batch endpoint {name!r}")
    job, change = platform.jobs.invoke(name, invocation, actor=actor)
    if change is Change.UNCHANGED:
        response.status_code = 200
    return Changed(resource=shown(job), change=change)


@router.get("/{name}/jobs")
def list_jobs(
    name: str, platform: Platform, _: Actor, *, limit: int = Query(default=_DEFAULT_JOBS, ge=1, le=_MOST_JOBS)
) -> Items:
    """The endpoint's jobs, the newest first."""
    return items(platform.jobs.list(endpoint=name, limit=limit))


def _shown(endpoint: Endpoint, request: Request) -> Shown:
    """Its jobs are begun where this API is, as the caller reaches it."""
    uri = f"{str(request.base_url).rstrip('/')}/endpoints/{endpoint.name}/jobs"
    return shown(endpoint).model_copy(update={"scoring_uri": uri})
