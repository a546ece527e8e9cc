"""Registered models over HTTP."""

from fastapi import APIRouter, Query
from pydantic import BaseModel

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.fields import parse
from penstock.domain.model import Model, ModelChange, ModelVersion, Serving
from penstock.domain.names import AssetReference
from penstock.online.serving import serving

router = APIRouter(prefix="/models", tags=["models"])


class Versions(BaseModel):
    items: list[ModelVersion]


class Places(BaseModel):
    items: list[Serving]


@router.get("")
def list_models(
    platform: Platform, _: Actor, name: str | None = Query(default=None), include_archived: bool = False
) -> Versions:
    return Versions(items=list(platform.models.versions(name, archived=include_archived)))


@router.post("")
def create_model(platform: Platform, actor: Actor, body: JsonBody) -> ModelVersion:
    """Register a version; the same content under the same version again returns what is there."""
    model = parse(Model, body, f"model {body.get('name')!r}")
    return platform.models.register(model, at=platform.now(), actor=actor)


@router.get("/{name}/deployments")
def list_places(name: str, platform: Platform, _: Actor) -> Places:
    """Where each version of a model serves, or is about to."""
    return Places(items=list(serving(platform.resources, name)))


@router.get("/{name}/versions/{version}")
def get_model(name: str, version: str, platform: Platform, _: Actor) -> ModelVersion:
    """A version by number, by name, as `latest`, or as `@ALIAS`."""
    return platform.models.get(_reference(name, version))


@router.patch("/{name}/versions/{version}")
def change_model(name: str, version: str, platform: Platform, _: Actor, body: JsonBody) -> ModelVersion:
    """Say something else of a version; fields left out stay as they are."""
    change = parse(ModelChange, body, f"model {name!r} version {version}")
    return platform.models.change(_reference(name, version), change)


@router.post("/{name}/versions/{version}/archive")
def archive_model(name: str, version: str, platform: Platform, _: Actor) -> ModelVersion:
    """Hide a version from lists; it stays deployable."""
    return platform.models.archive(_reference(name, version), archived=True)


@router.post("/{name}/versions/{version}/restore")
def restore_model(name: str, version: str, platform: Platform, _: Actor) -> ModelVersion:
    return platform.models.archive(_reference(name, version), archived=False)


@router.post("/{name}/versions/{version}/fetch")
def fetch_model(name: str, version: str, platform: Platform, _: Actor) -> ModelVersion:
    """Have the files of a version in the artifact store: 503 until they are, then its `path` refers to them."""
    return platform.models.fetch(_reference(name, version))


def _reference(name: str, version: str) -> AssetReference:
    if version == "latest" or version.startswith("@"):
        return AssetReference(name, label=version.removeprefix("@"))
    return AssetReference(name, version)
