"""Batch deployments over HTTP."""

from typing import Any

from fastapi import APIRouter, Query, Response

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.domain.batch_deployment import BATCH_DEPLOYMENT, BatchDeployment
from penstock.domain.batch_endpoint import BATCH_ENDPOINT
from penstock.domain.fields import parse

router = APIRouter(prefix="/batch-endpoints/{endpoint}/deployments", tags=["batch deployments"])

_MOST_JOBS, _DEFAULT_JOBS = 10_000, 1000


@router.get("")
def list_deployments(endpoint: str, platform: Platform, _: Actor) -> Items:
    platform.resources.get(BATCH_ENDPOINT, endpoint)
    return items(platform.resources.list(BATCH_DEPLOYMENT, f"{endpoint}/"))


@router.get("/{name}")
def get_deployment(endpoint: str, name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(BATCH_DEPLOYMENT, f"{endpoint}/{name}"))


@router.put("/{name}")
def put_deployment(  # noqa: PLR0913 - one parameter for each part of the request
    endpoint: str,
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Create the deployment, or change it if its content differs. A dry run only says what would change."""
    spec = parse(BatchDeployment, body, f"deployment {name!r}")
    before = platform.resources.find(BATCH_DEPLOYMENT, f"{endpoint}/{name}")
    if dry_run:
        preview = platform.batch_deployments.preview(endpoint, name, spec)
        return previewed(before, preview, platform.batch_deployments.notices(preview))
    after, change = platform.batch_deployments.apply(endpoint, name, spec, actor=actor, generation=generation)
    return changed(before, after, change, platform.batch_deployments.notices(after.spec))


@router.delete("/{name}", response_model=None)
def delete_deployment(endpoint: str, name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Begin to delete the deployment; 204 if there is none, 409 while its jobs are not over."""
    return deleted(platform.batch_deployments.delete(endpoint, name, actor=actor))


@router.post("/{name}/set-default")
def set_default(endpoint: str, name: str, platform: Platform, actor: Actor) -> Changed:
    """Have the endpoint's jobs that name no deployment run with this one."""
    change = platform.batch_deployments.set_default(endpoint, name, actor=actor)
    return Changed(resource=shown(platform.resources.get(BATCH_DEPLOYMENT, f"{endpoint}/{name}")), change=change)


@router.get("/{name}/jobs")
def list_jobs(
    endpoint: str,
    name: str,
    platform: Platform,
    _: Actor,
    *,
    limit: int = Query(default=_DEFAULT_JOBS, ge=1, le=_MOST_JOBS),
) -> Items:
    """The deployment's jobs, the newest first."""
    return items(platform.jobs.list(endpoint=endpoint, deployment=name, limit=limit))
