"""Datastores over HTTP. Credentials come in and never go out."""

from typing import Any

from fastapi import APIRouter, Query, Response

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.domain.datastore import Datastore
from penstock.domain.fields import parse

router = APIRouter(prefix="/datastores", tags=["datastores"])


@router.get("")
def list_datastores(platform: Platform, _: Actor) -> Items:
    return items(platform.datastores.list())


@router.get("/{name}")
def get_datastore(name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.datastores.get(name))


@router.put("/{name}")
def put_datastore(
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Create the datastore, or change it if its content differs; without `credentials`, those that are kept stay.

    A dry run only says what would change.
    """
    spec = parse(Datastore, body, f"datastore {name!r}")
    before = platform.datastores.find(name)
    if dry_run:
        return previewed(before, platform.datastores.wanted(name, spec))
    return changed(before, *platform.datastores.apply(name, spec, actor=actor, generation=generation))


@router.delete("/{name}", response_model=None)
def delete_datastore(name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Begin to delete the datastore and its credentials, not the data; 204 if there is none, 409 while it is used."""
    return deleted(platform.datastores.delete(name, actor=actor))
