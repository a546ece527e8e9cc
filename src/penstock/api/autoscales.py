"""Autoscales over HTTP, each under the names of its deployment."""

from typing import Any

from fastapi import APIRouter, Query, Response

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.domain.autoscale import AUTOSCALE, Autoscale
from penstock.domain.fields import parse

router = APIRouter(prefix="/autoscales", tags=["autoscales"])


@router.get("")
def list_autoscales(platform: Platform, _: Actor) -> Items:
    return items(platform.resources.list(AUTOSCALE))


@router.get("/{endpoint}/{deployment}")
def get_autoscale(endpoint: str, deployment: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(AUTOSCALE, f"{endpoint}/{deployment}"))


@router.put("/{endpoint}/{deployment}")
def put_autoscale(  # noqa: PLR0913 - one parameter for each part of the request
    endpoint: str,
    deployment: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Create the autoscale, or change it if its content differs. A dry run only says what would change."""
    spec = parse(Autoscale, body, f"autoscale of {endpoint}/{deployment}")
    before = platform.resources.find(AUTOSCALE, f"{endpoint}/{deployment}")
    if dry_run:
        wanted = platform.autoscales.named(endpoint, deployment, spec)
        return previewed(before, wanted, platform.autoscales.notices(wanted))
    after, change = platform.autoscales.apply(endpoint, deployment, spec, actor=actor, generation=generation)
    return changed(before, after, change, platform.autoscales.notices(after.spec))


@router.delete("/{endpoint}/{deployment}", response_model=None)
def delete_autoscale(endpoint: str, deployment: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Let the deployment have its instance_count again; 204 if there is no autoscale."""
    return deleted(platform.autoscales.delete(endpoint, deployment, actor=actor))
