"""Registered environments over HTTP."""

from typing import Any

from fastapi import APIRouter, Query

from penstock.api.services import Actor, JsonBody, Platform
from penstock.api.shapes import Changed, Items, Shown, changed, items, shown
from penstock.domain.asset import AssetChange
from penstock.domain.environment import Environment
from penstock.domain.fields import parse
from penstock.preparation.environments import environment_versions
from penstock.preparation.versions import Registered

router = APIRouter(prefix="/environments", tags=["environments"])


@router.get("")
def get_environments(
    platform: Platform, _: Actor, name: str | None = Query(default=None), include_archived: bool = False
) -> Items:
    return items(environment_versions(platform.resources).list(name, archived=include_archived))


@router.post("")
def create_environment(platform: Platform, actor: Actor, body: JsonBody) -> Changed:
    """Register an environment under its version, or under the next one; what it comes to never changes."""
    environment = parse(Environment, body, f"environment {body.get('name')!r}")
    read = platform.environments.read(environment)
    resource, change = environment_versions(platform.resources).register(environment, actor=actor)
    return Changed(resource=shown(resource), change=change, notices=list(read.notices))


@router.put("/{name}/versions/{version}")
def put_environment(name: str, version: str, platform: Platform, actor: Actor, body: JsonBody) -> Changed:
    return create_environment(platform, actor, {**body, "name": name, "version": version})


@router.get("/{name}/versions/{version}")
def get_environment(name: str, version: str, platform: Platform, _: Actor) -> Any:
    """A version, or with `latest` the newest one that is not archived."""
    return shown(_found(platform, name, version))


@router.patch("/{name}/versions/{version}")
def patch_environment(name: str, version: str, platform: Platform, actor: Actor, body: JsonBody) -> Changed:
    """Say something else of a version; fields left out stay as they are."""
    change = parse(AssetChange, body, f"environment {name!r} version {version}")
    before = _found(platform, name, version)
    return changed(before, *environment_versions(platform.resources).change(before, change, actor=actor))


@router.post("/{name}/versions/{version}/archive")
def post_archive(name: str, version: str, platform: Platform, actor: Actor) -> Shown:
    """Hide a version from lists and from `latest`; it stays deployable."""
    return _archived(platform, name, version, actor, archived=True)


@router.post("/{name}/versions/{version}/restore")
def post_restore(name: str, version: str, platform: Platform, actor: Actor) -> Shown:
    return _archived(platform, name, version, actor, archived=False)


def _archived(platform: Platform, name: str, version: str, actor: str, *, archived: bool) -> Shown:
    found = _found(platform, name, version)
    now = platform.now()
    return shown(environment_versions(platform.resources).archive(found, archived=archived, actor=actor, now=now))


def _found(platform: Platform, name: str, version: str) -> Registered[Environment]:
    return environment_versions(platform.resources).find(name, None if version == "latest" else version)
