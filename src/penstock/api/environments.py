"""Registered environments over HTTP."""

from typing import Any

from fastapi import APIRouter, Query

from penstock.api.services import Actor, JsonBody, Platform
from penstock.api.shapes import Changed, Items, items, shown
from penstock.domain.environment import Environment
from penstock.domain.fields import parse
from penstock.online.environments import find_environment, list_environments, register_environment

router = APIRouter(prefix="/environments", tags=["environments"])


@router.get("")
def get_environments(platform: Platform, _: Actor, name: str | None = Query(default=None)) -> Items:
    return items(list_environments(platform.resources, name))


@router.post("")
def create_environment(platform: Platform, actor: Actor, body: JsonBody) -> Changed:
    """Register an environment under its version, or under the next one; versions never change."""
    environment = parse(Environment, body, f"environment {body.get('name')!r}")
    read = platform.environments.read(environment)
    resource, change = register_environment(platform.resources, environment, actor=actor)
    return Changed(resource=shown(resource), change=change, notices=list(read.notices))


@router.put("/{name}/versions/{version}")
def put_environment(name: str, version: str, platform: Platform, actor: Actor, body: JsonBody) -> Changed:
    return create_environment(platform, actor, {**body, "name": name, "version": version})


@router.get("/{name}/versions/{version}")
def get_environment(name: str, version: str, platform: Platform, _: Actor) -> Any:
    return shown(find_environment(platform.resources, name, None if version == "latest" else version))
