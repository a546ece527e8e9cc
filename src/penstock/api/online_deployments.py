"""Online deployments over HTTP."""

from typing import Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.fields import parse
from penstock.domain.resource import Truth
from penstock.online.logs import Log, instance_logs, tail

router = APIRouter(prefix="/online-endpoints/{endpoint}/deployments", tags=["online deployments"])


class Logs(BaseModel):
    logs: list[Log]


@router.get("")
def list_deployments(endpoint: str, platform: Platform, _: Actor) -> Items:
    platform.resources.get(ONLINE_ENDPOINT, endpoint)
    return items(platform.resources.list(ONLINE_DEPLOYMENT, f"{endpoint}/"))


@router.get("/{name}")
def get_deployment(endpoint: str, name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{name}"))


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
    spec = parse(OnlineDeployment, body, f"deployment {name!r}")
    before = platform.resources.find(ONLINE_DEPLOYMENT, f"{endpoint}/{name}")
    if dry_run:
        preview = platform.deployments.preview(endpoint, name, spec)
        return previewed(before, preview, platform.deployments.notices(preview))
    after, change = platform.deployments.apply(endpoint, name, spec, actor=actor, generation=generation)
    return changed(before, after, change, platform.deployments.notices(after.spec))


@router.delete("/{name}", response_model=None)
def delete_deployment(endpoint: str, name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Begin to delete the deployment; 204 if there is none, 409 while it takes traffic."""
    return deleted(platform.deployments.delete(endpoint, name, actor=actor))


@router.get("/{name}/logs")
def get_logs(
    endpoint: str,
    name: str,
    platform: Platform,
    _: Actor,
    *,
    lines: int = Query(default=50, ge=1, le=10_000),
    container: Literal["inference-server", "storage-initializer", "build"] = "inference-server",
) -> Logs:
    """Logs of the instances, ended ones too; of `build` (on Azure: storage-initializer) the environment's.

    While an environment is being built, or could not be, its log comes with those of the instances, as the last.
    """
    deployment = platform.resources.get(ONLINE_DEPLOYMENT, f"{endpoint}/{name}")
    environment = deployment.status.condition("Environment")
    built = environment is not None and environment.truth is Truth.TRUE
    found: list[Log] = []
    if container == "inference-server":
        found += instance_logs(platform.fleet.places, endpoint, name, lines)
    fingerprint = platform.deployments.fingerprint(deployment)
    if fingerprint is not None and (container != "inference-server" or not built):
        found.append(Log(name=f"build {fingerprint}", text=tail(platform.environments.log(fingerprint), lines)))
    return Logs(logs=found)
