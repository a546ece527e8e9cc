"""Computes over HTTP."""

from typing import Any

from fastapi import APIRouter, Query, Response

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.batch.computes import notices
from penstock.domain.compute import COMPUTE, Compute
from penstock.domain.fields import parse

router = APIRouter(prefix="/computes", tags=["computes"])


@router.get("")
def list_computes(platform: Platform, _: Actor) -> Items:
    return items(platform.resources.list(COMPUTE))


@router.get("/{name}")
def get_compute(name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(COMPUTE, name))


@router.put("/{name}")
def put_compute(
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Create the compute, or change it if its content differs. A dry run only says what would change."""
    spec = parse(Compute, body, f"compute {name!r}")
    before = platform.resources.find(COMPUTE, name)
    if dry_run:
        return previewed(before, platform.computes.named(name, spec), notices(spec))
    return changed(before, *platform.computes.apply(name, spec, actor=actor, generation=generation), notices(spec))


@router.delete("/{name}", response_model=None)
def delete_compute(name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Begin to delete the compute; 204 if there is none, 409 while deployments or jobs use it."""
    return deleted(platform.computes.delete(name, actor=actor))
