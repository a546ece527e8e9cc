"""Registered models over HTTP."""

from fastapi import APIRouter, Query
from pydantic import BaseModel

from penstock.api.services import Actor, JsonBody, Platform
from penstock.domain.fields import parse
from penstock.domain.model import Model, ModelVersion
from penstock.domain.names import AssetReference
from penstock.online.models import register

router = APIRouter(prefix="/models", tags=["models"])


class Versions(BaseModel):
    items: list[ModelVersion]


@router.get("")
def list_models(
    platform: Platform, _: Actor, name: str | None = Query(default=None), include_archived: bool = False
) -> Versions:
    versions = platform.registry.versions(name)
    return Versions(items=[v for v in versions if include_archived or not v.archived])


@router.post("")
def create_model(platform: Platform, actor: Actor, body: JsonBody) -> ModelVersion:
    """Register a version; the same content under the same version again returns what is there."""
    model = parse(Model, body, f"model {body.get('name')!r}")
    return register(platform.registry, platform.artifacts, model, at=platform.now(), actor=actor)


@router.get("/{name}/versions/{version}")
def get_model(name: str, version: str, platform: Platform, _: Actor) -> ModelVersion:
    return platform.registry.resolve(_reference(name, version))


@router.post("/{name}/versions/{version}/archive")
def archive_model(name: str, version: str, platform: Platform, _: Actor) -> ModelVersion:
    """Hide a version from lists; it stays deployable."""
    return platform.registry.archive(name, version, archived=True)


@router.post("/{name}/versions/{version}/restore")
def restore_model(name: str, version: str, platform: Platform, _: Actor) -> ModelVersion:
    return platform.registry.archive(name, version, archived=False)


def _reference(name: str, version: str) -> AssetReference:
    return AssetReference(name, label="latest") if version == "latest" else AssetReference(name, version)
