"""Registering a model: what type it is, which version it gets."""

from datetime import datetime

from penstock.artifacts.base import Artifacts
from penstock.domain.artifact import parse_artifact_reference
from penstock.domain.errors import Code, PenstockError, invalid
from penstock.domain.model import Model, ModelType, ModelVersion
from penstock.domain.names import check_asset_name
from penstock.registry.base import Registry

_ATTEMPTS = 20  # each lost one means that another registration has taken the number


def register(registry: Registry, artifacts: Artifacts, model: Model, *, at: datetime, actor: str) -> ModelVersion:
    """Register `model` under its version, or under the next one.

    Without a version, content equal to the newest version's returns that one, so that a repeated call adds nothing.
    Raises `invalid` for bad names and paths, `conflict` for a version that has other content.
    """
    if model.name is None:
        raise invalid("the model has no name: give `name` in the file, or --name")
    name = check_asset_name("model", model.name)
    if model.version is not None:
        return registry.register(
            _version(artifacts, model, name, check_asset_name("version", model.version), at, actor)
        )
    newest = next(iter(registry.versions(name)), None)
    if newest is not None and newest.path == model.path:
        return newest
    for _ in range(_ATTEMPTS):
        try:
            return registry.register(_version(artifacts, model, name, registry.next_version(name), at, actor))
        except PenstockError as err:
            if err.code is not Code.CONFLICT:
                raise
    raise invalid(f"model {name!r}: no free version was found; give one with --version")


def _version(artifacts: Artifacts, model: Model, name: str, version: str, at: datetime, actor: str) -> ModelVersion:
    reference = parse_artifact_reference(model.path)
    if reference is None:
        raise invalid(f"model {name!r}: path {model.path!r} must be uploaded first, as the penstock command does")
    tree = artifacts.tree(reference.digest)
    mlflow = any(e.path == f"{reference.path}/MLmodel" for e in tree.entries)
    if model.type is ModelType.MLFLOW and not mlflow:
        raise invalid(f"model {name!r}: type mlflow_model, but {reference.path!r} has no MLmodel file at its top")
    return ModelVersion(
        name=name,
        version=version,
        path=model.path,
        type=model.type or (ModelType.MLFLOW if mlflow else ModelType.CUSTOM),
        description=model.description,
        tags=model.tags,
        properties=model.properties,
        created_at=at,
        created_by=actor,
    )
