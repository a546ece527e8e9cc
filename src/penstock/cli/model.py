"""`penstock model`: registered models."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Sets, edited
from penstock.cli.flags import Asset, Name, OptionalFile, Version
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid, not_found

if TYPE_CHECKING:
    from penstock.client.client import Client

NOUN = "model"
app = noun("Registered models.")

_REGISTRY = ("--registry-name=",)

_Path = Annotated[str | None, typer.Option("--path", "-p", help="The model's file or folder.")]
_Type = Annotated[str | None, typer.Option("--type", "-t", help="custom_model or mlflow_model.")]
_Label = Annotated[str | None, typer.Option("--label", "-l", help="latest.")]
_FilterName = Annotated[str | None, typer.Option("--name", "-n", help="Only this model's versions.")]
_IncludeArchived = Annotated[bool, typer.Option("--include-archived", help="Archived versions too.")]
_ArchivedOnly = Annotated[bool, typer.Option("--archived-only", help="Archived versions only.")]
_MaxResults = Annotated[int | None, typer.Option("--max-results", "-r", min=1, help="At most this many.")]


@command(
    app,
    "create",
    example="penstock model create -n fraud -p model/ --version 1\npenstock model create -f model.yml",
    text=shapes.MODELS,
    ignored=("--no-wait", "--datastore=", "--stage=", *_REGISTRY),
)
def create(
    *,
    file: OptionalFile = None,
    path: _Path = None,
    model_type: _Type = None,
    asset: Asset,
    sets: Sets,
) -> Any:
    """Register a version of a model; the same content again changes nothing."""
    from penstock.domain.model import Model

    document = read_one(file, DocumentKind.MODEL) if file else Document.empty(DocumentKind.MODEL)
    document = document.with_fields(**asset.fields(), path=path and os.path.abspath(path), type=model_type)
    document = document.replaced(edited(dict(document.fields), sets))
    if document.text("name") is None:
        raise invalid(f"{document.source}: the model has no name: give `name` in the file, or --name")
    with connect() as client:
        return shapes.model(client.models.register(uploaded(client, Model, document)))


@command(app, "show", example="penstock model show -n fraud --version 1", text=shapes.MODELS, ignored=_REGISTRY)
def show(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version of a model, the latest by default."""
    with connect() as client:
        return shapes.model(client.models.get(name, version or label or "latest"))


@command(app, "list", example="penstock model list -n fraud", text=shapes.MODELS, ignored=("--stage=", *_REGISTRY))
def list_all(
    name: _FilterName = None,
    include_archived: _IncludeArchived = False,
    archived_only: _ArchivedOnly = False,
    max_results: _MaxResults = None,
) -> Any:
    """List versions, newest first."""
    with connect() as client:
        found = client.models.list(name, include_archived=include_archived or archived_only)
    return [shapes.model(version) for version in found if version.archived or not archived_only][:max_results]


@command(app, "archive", example="penstock model archive -n fraud --version 1", text=shapes.MODELS, ignored=_REGISTRY)
def archive(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Hide a version from lists, or all versions; they stay deployable."""
    with connect() as client:
        return [shapes.model(client.models.archive(name, v)) for v in _versions(client, name, version, label)]


@command(app, "restore", example="penstock model restore -n fraud --version 1", text=shapes.MODELS, ignored=_REGISTRY)
def restore(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version in lists again, or all versions."""
    with connect() as client:
        return [shapes.model(client.models.restore(name, v)) for v in _versions(client, name, version, label)]


def _versions(client: "Client", name: str, version: str | None, label: str | None) -> list[str]:
    """The versions that are meant: the one named, or all, as `az` does it."""
    if version is not None:
        return [version]
    if label is not None:
        return [client.models.get(name, label).version]
    found = [v.version for v in client.models.list(name, include_archived=True)]
    if not found:
        raise not_found(f"there is no model {name!r}; see `penstock model list --include-archived`")
    return found
