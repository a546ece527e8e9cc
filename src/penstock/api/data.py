"""Data assets over HTTP."""

from typing import Any

from fastapi import APIRouter, Query

from penstock.api.services import Actor, JsonBody, Platform
from penstock.api.shapes import Changed, Items, Shown, changed, items, shown
from penstock.domain.asset import AssetChange
from penstock.domain.data import Data
from penstock.domain.fields import parse
from penstock.preparation.data import check_data, data_versions
from penstock.preparation.versions import Registered

router = APIRouter(prefix="/data", tags=["data"])

_SKIP = Query(default=False, description="Register it although nothing lies there.")


@router.get("")
def get_all_data(
    platform: Platform, _: Actor, name: str | None = Query(default=None), include_archived: bool = False
) -> Items:
    return items(data_versions(platform.resources).list(name, archived=include_archived))


@router.post("")
def create_data(platform: Platform, actor: Actor, body: JsonBody, skip_validation: bool = _SKIP) -> Changed:
    """Register data under its version, or under the next one; what it refers to never changes."""
    data = parse(Data, body, f"data {body.get('name')!r}")
    if not skip_validation:
        check_data(platform.storage, data)
    resource, change = data_versions(platform.resources).register(data, actor=actor)
    return Changed(resource=shown(resource), change=change)


@router.put("/{name}/versions/{version}")
def put_data(
    name: str, version: str, platform: Platform, actor: Actor, body: JsonBody, skip_validation: bool = _SKIP
) -> Changed:
    return create_data(platform, actor, {**body, "name": name, "version": version}, skip_validation)


@router.get("/{name}/versions/{version}")
def get_data(name: str, version: str, platform: Platform, _: Actor) -> Any:
    """A version, or with `latest` the newest one that is not archived."""
    return shown(_found(platform, name, version))


@router.patch("/{name}/versions/{version}")
def patch_data(name: str, version: str, platform: Platform, actor: Actor, body: JsonBody) -> Changed:
    """Say something else of a version; fields left out stay as they are."""
    change = parse(AssetChange, body, f"data {name!r} version {version}")
    before = _found(platform, name, version)
    return changed(before, *data_versions(platform.resources).change(before, change, actor=actor))


@router.post("/{name}/versions/{version}/archive")
def post_archive(name: str, version: str, platform: Platform, actor: Actor) -> Shown:
    """Hide a version from lists and from `latest`; jobs that name it can still read it."""
    return _archived(platform, name, version, actor, archived=True)


@router.post("/{name}/versions/{version}/restore")
def post_restore(name: str, version: str, platform: Platform, actor: Actor) -> Shown:
    return _archived(platform, name, version, actor, archived=False)


def _archived(platform: Platform, name: str, version: str, actor: str, *, archived: bool) -> Shown:
    found = _found(platform, name, version)
    return shown(data_versions(platform.resources).archive(found, archived=archived, actor=actor, now=platform.now()))


def _found(platform: Platform, name: str, version: str) -> Registered[Data]:
    return data_versions(platform.resources).find(name, None if version == "latest" else version)
