"""Rollouts over HTTP."""

from typing import Any, Literal

from fastapi import APIRouter, Query, Response

from penstock.api.services import Actor, Generation, JsonBody, Platform
from penstock.api.shapes import Changed, Items, changed, deleted, items, previewed, shown
from penstock.domain.fields import parse
from penstock.domain.rollout import ROLLOUT, Rollout

router = APIRouter(tags=["rollouts"])

_ROOT = "/online-endpoints/{endpoint}/rollouts"


@router.get("/rollouts")
def list_all_rollouts(platform: Platform, _: Actor) -> Items:
    return items(platform.resources.list(ROLLOUT))


@router.get(_ROOT)
def list_rollouts(endpoint: str, platform: Platform, _: Actor) -> Items:
    return items(platform.resources.list(ROLLOUT, f"{endpoint}/"))


@router.get("/online-endpoints/{endpoint}/rollout")
def get_latest_rollout(endpoint: str, platform: Platform, _: Actor) -> Any:
    """The unfinished one, else the one that was begun last."""
    return shown(platform.rollouts.latest(endpoint))


@router.get(_ROOT + "/{name}")
def get_rollout(endpoint: str, name: str, platform: Platform, _: Actor) -> Any:
    return shown(platform.resources.get(ROLLOUT, f"{endpoint}/{name}"))


@router.put(_ROOT + "/{name}")
def put_rollout(  # noqa: PLR0913 - one parameter for each part of the request
    endpoint: str,
    name: str,
    platform: Platform,
    actor: Actor,
    generation: Generation,
    body: JsonBody,
    *,
    dry_run: bool = Query(default=False),
) -> Changed:
    """Start the rollout; nothing happens if it is under way, or ended well, with the same plan."""
    spec = parse(Rollout, body, f"rollout {name!r}")
    before = platform.resources.find(ROLLOUT, f"{endpoint}/{name}")
    if dry_run:
        return previewed(before, platform.rollouts.named(endpoint, name, spec))
    return changed(before, *platform.rollouts.start(endpoint, name, spec, actor=actor, generation=generation))


@router.post(_ROOT + "/{name}/{verb}")
def command_rollout(
    endpoint: str,
    name: str,
    verb: Literal["pause", "resume", "promote", "abort"],
    platform: Platform,
    actor: Actor,
) -> Changed:
    match verb:
        case "pause":
            after, change = platform.rollouts.pause(endpoint, name, actor=actor)
        case "resume":
            after, change = platform.rollouts.resume(endpoint, name, actor=actor)
        case _:
            after, change = platform.rollouts.end(endpoint, name, verb, actor=actor)
    return Changed(resource=shown(after), change=change)


@router.delete(_ROOT + "/{name}", response_model=None)
def delete_rollout(endpoint: str, name: str, platform: Platform, actor: Actor) -> Response | dict[str, Any]:
    """Forget a rollout that is over; 204 if there is none."""
    return deleted(platform.rollouts.delete(endpoint, name, actor=actor))
