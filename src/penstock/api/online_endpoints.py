"""Online endpoints over HTTP."""

from typing import Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.control.resources import Change
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.fields import parse
from penstock.domain.rollback import RollbackRequest
from penstock.online.endpoints import notices

router = APIRouter(prefix="/online-endpoints", tags=["online endpoints"])


class KeyRequest(BaseModel):
    """`request_id` makes a repeated call change nothing; clients make one up for each command."""

    key_type: Literal["primary", "secondary"] = "primary"
    request_id: str = Field(min_length=8, max_length=100)


class Credentials(BaseModel):
    primaryKey: str  # noqa: N815 - Azure's spelling
    secondaryKey: str  # noqa: N815


@router.get("")
def list_endpoints(platform: Platform, _: Actor) -> Items:
    return items(platform.resources.list(ONLINE_ENDPOINT), platform.gateway_url)


@router.get("/{name}")
def get_endpoint(name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(ONLINE_ENDPOINT, name), platform.gateway_url)


@router.put("/{name}")
def put_endpoint(  # noqa: PLR0913 - one parameter for each part of the request
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
    force: bool = Query(default=False),
) -> Changed:
    """Create the endpoint, or change it if its content differs. A dry run only says what would change.

    While a rollout decides about the traffic, that is changed with `force` alone, which ends the rollout.
    """
    spec = parse(OnlineEndpoint, body, f"endpoint {name!r}")
    before = platform.resources.find(ONLINE_ENDPOINT, name)
    if dry_run:
        return previewed(before, platform.endpoints.named(name, spec), notices(spec), platform.gateway_url)
    after, change = platform.endpoints.apply(name, spec, actor=actor, generation=generation, force=force)
    return changed(before, after, change, notices(spec), platform.gateway_url)


@router.delete("/{name}", response_model=None)
def delete_endpoint(name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Begin to delete the endpoint with its deployments; 204 if there is none."""
    return deleted(platform.endpoints.delete(name, actor=actor), platform.gateway_url)


@router.post("/{name}/rollback")
def roll_back(name: str, platform: Platform, actor: Actor, *, force: bool = Query(default=False)) -> Changed:
    """Back to the traffic before the last change. Repeating it changes nothing more."""
    done = platform.rollbacks.roll_back(RollbackRequest(endpoint=name, force=force), actor=actor)
    endpoint = platform.resources.get(ONLINE_ENDPOINT, name)
    change = Change.UPDATED if done.edits else Change.UNCHANGED
    return Changed(resource=shown(endpoint, platform.gateway_url), change=change, message=done.message)


@router.get("/{name}/credentials")
def get_credentials(name: str, platform: Platform, _: Actor) -> Credentials:
    keys = platform.endpoints.keys(name)
    return Credentials(primaryKey=keys.primary, secondaryKey=keys.secondary)


@router.post("/{name}/regenerate-keys")
def regenerate_keys(name: str, request: KeyRequest, platform: Platform, actor: Actor) -> Credentials:
    """Replace one key; the other goes on being valid."""
    keys = platform.endpoints.regenerate_key(name, request.key_type, request=request.request_id, actor=actor)
    return Credentials(primaryKey=keys.primary, secondaryKey=keys.secondary)
