"""Contracts over HTTP."""

from typing import Any

from fastapi import APIRouter, Query, Response

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.domain.contract import CONTRACT, Contract
from penstock.domain.fields import parse

router = APIRouter(prefix="/contracts", tags=["contracts"])


@router.get("")
def list_contracts(platform: Platform, _: Actor) -> Items:
    return items(platform.resources.list(CONTRACT))


@router.get("/{name}")
def get_contract(name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(CONTRACT, name))


@router.put("/{name}")
def put_contract(
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Create the contract, or change it if its content differs. A dry run only says what would change."""
    spec = parse(Contract, body, f"contract {name!r}")
    before = platform.resources.find(CONTRACT, name)
    if dry_run:
        return previewed(before, platform.contracts.named(name, spec))
    return changed(before, *platform.contracts.apply(name, spec, actor=actor, generation=generation))


@router.delete("/{name}", response_model=None)
def delete_contract(name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Take the contract from all deployments; 204 if there is none."""
    return deleted(platform.contracts.delete(name, actor=actor))
