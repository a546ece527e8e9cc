"""`penstock model`: registered models."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import model_compile, model_files, model_validate, shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Asset, Name, OptionalFile, Version
from penstock.cli.sources import is_local
from penstock.cli.upload import uploaded
from penstock.cli.versions import ArchivedOnly, IncludeArchived, MaxResults
from penstock.domain.errors import invalid, not_found

if TYPE_CHECKING:
    from penstock.client.client import Client

NOUN = "model"
app = noun("Registered models.")
app.add_typer(model_files.app)
app.add_typer(model_validate.app)
app.add_typer(model_compile.app)

_REGISTRY = ("--registry-name=",)

_Path = Annotated[
    str | None,
    typer.Option("--path", "-p", help="The model's file or folder, or runs:/, models:/ or azureml://jobs/ and so on."),
]
_Type = Annotated[
    str | None, typer.Option("--type", "-t", help="custom_model, mlflow_model or triton_model. [default: as it looks]")
]
_Stage = Annotated[str | None, typer.Option("--stage", "-s", help="How far it is: Development, Production, ...")]
_FilterStage = Annotated[str | None, typer.Option("--stage", "-s", help="Only versions of this stage.")]
_Label = Annotated[str | None, typer.Option("--label", "-l", help="latest, or one of the model's aliases.")]
_FilterName = Annotated[str | None, typer.Option("--name", "-n", help="Only this model's versions.")]


@command(
    app,
    "create",
    example="penstock model create -n fraud -p model/ --version 1\n"
    "penstock model create -n fraud -p runs:/3f0a.../model\n"
    "penstock model create -f model.yml",
    text=shapes.models_text,
    ignored=("--no-wait", "--datastore=", *_REGISTRY),
)
def create(
    *,
    file: OptionalFile = None,
    path: _Path = None,
    model_type: _Type = None,
    stage: _Stage = None,
    asset: Asset,
    sets: Sets,
) -> Any:
    """Register a version of a model; the same content again changes nothing."""
    from penstock.domain.model import Model

    document = read_one(file, DocumentKind.MODEL) if file else Document.empty(DocumentKind.MODEL)
    place = os.path.abspath(path) if path and is_local(path) else path
    document = document.with_fields(**asset.fields(), path=place, type=model_type, stage=stage)
    document = document.replaced(edited(dict(document.fields), sets))
    if document.text("name") is None:
        raise invalid(f"{document.source}: the model has no name: give `name` in the file, or --name")
    with connect() as client:
        return shapes.model(client.models.register(uploaded(client, Model, document)))


@command(
    app,
    "show",
    example="penstock model show -n fraud --version 1\npenstock model show -n fraud --label champion",
    text=shapes.model_text,
    ignored=_REGISTRY,
)
def show(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version of a model with its lineage, the latest by default."""
    with connect() as client:
        return shapes.model(client.models.get(name, _meant(version, label)))


@command(app, "list", example="penstock model list -n fraud", text=shapes.models_text, ignored=_REGISTRY)
def list_all(
    *,
    name: _FilterName = None,
    stage: _FilterStage = None,
    include_archived: IncludeArchived = False,
    archived_only: ArchivedOnly = False,
    max_results: MaxResults = None,
) -> Any:
    """List versions, newest first."""
    with connect() as client:
        found = client.models.list(name, include_archived=include_archived or archived_only)
    picked = [v for v in found if (v.archived or not archived_only) and stage in (None, v.stage)]
    return [shapes.model(version) for version in picked[:max_results]]


@command(
    app,
    "update",
    example='penstock model update -n fraud --version 3 --stage Production --set description="Since June"\n'
    "penstock model update -n fraud --version 3 --add aliases champion\n"
    "penstock model update -n fraud --version 3 --set tags.owner=ann --remove tags.draft",
    text=shapes.model_text,
    ignored=_REGISTRY,
)
def update(*, name: Name, version: Version = None, label: _Label = None, stage: _Stage = None, edits: Edits) -> Any:
    """Change what is said of a version: description, tags, properties, stage, aliases; an alias may move."""
    from penstock.cli.model_changes import change_of

    with connect() as client:
        found = client.models.get(name, _meant(version, label))
        change = change_of(found, edits, stage=stage)
        if not change.model_fields_set:
            notice(f"model {found.name}:{found.version} unchanged")
            return shapes.model(found)
        return shapes.model(client.models.change(name, found.version, change))


@command(
    app,
    "archive",
    example="penstock model archive -n fraud --version 1",
    text=shapes.models_text,
    ignored=_REGISTRY,
)
def archive(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Hide a version from lists, or all versions; they stay deployable."""
    with connect() as client:
        return [shapes.model(client.models.archive(name, v)) for v in _versions(client, name, version, label)]


@command(
    app,
    "restore",
    example="penstock model restore -n fraud --version 1",
    text=shapes.models_text,
    ignored=_REGISTRY,
)
def restore(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version in lists again, or all versions."""
    with connect() as client:
        return [shapes.model(client.models.restore(name, v)) for v in _versions(client, name, version, label)]


@command(app, "deployments", example="penstock model deployments -n fraud", text=shapes.SERVINGS)
def deployments(name: Name, version: Version = None) -> Any:
    """Show where each version of a model serves, with its traffic in percent, or only where one does."""
    with connect() as client:
        found = [place.model_dump(mode="json") for place in client.models.deployments(name)]
        if version is not None:
            wanted = client.models.get(name, version).version
            found = [place for place in found if place["version"] == wanted]
    return found


def _meant(version: str | None, label: str | None) -> str:
    """A version as the client takes it: what is named, else the latest."""
    if version is not None:
        return version
    return f"@{label}" if label not in (None, "latest") else "latest"


def _versions(client: "Client", name: str, version: str | None, label: str | None) -> list[str]:
    """The versions that are meant: the one named, or all, as `az` does it."""
    if version is not None:
        return [version]
    if label is not None:
        return [client.models.get(name, _meant(None, label)).version]
    found = [v.version for v in client.models.list(name, include_archived=True)]
    if not found:
        raise not_found(f"there is no model {name!r}; see `penstock model list --include-archived`")
    return found
