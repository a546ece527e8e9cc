"""`penstock data`: data assets, which are names and versions for files and folders."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Asset, Name, OptionalFile, Version
from penstock.cli.sources import is_local
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid, not_found

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import RegisteredData

NOUN = "data"
app = noun("Data assets: names and versions for files and folders, which stay where they are.")

_REGISTRY = "--registry-name="

_Label = Annotated[str | None, typer.Option("--label", "-l", help="latest.")]
_FilterName = Annotated[str | None, typer.Option("--name", "-n", help="Only this one's versions.")]
_IncludeArchived = Annotated[bool, typer.Option("--include-archived", help="Archived versions too.")]
_ArchivedOnly = Annotated[bool, typer.Option("--archived-only", help="Archived versions only.")]
_MaxResults = Annotated[int | None, typer.Option("--max-results", "-r", min=1, help="At most this many.")]
_Path = Annotated[
    str | None,
    typer.Option("--path", "-p", help="URI, or path of the platform's machine; nothing is copied."),
]
_Type = Annotated[str | None, typer.Option("--type", "-t", help="uri_file or uri_folder (the default).")]
_SkipValidation = Annotated[
    bool, typer.Option("--skip-validation", "-s", help="Register it although nothing lies there yet.")
]


@command(
    app,
    "create",
    example="penstock data create -n sales -p data/sales -t uri_folder\n"
    "penstock data create -n sales -p azureml://datastores/lake/paths/sales/2024",
    text=shapes.DATA,
    ignored=("--no-wait", "--datastore=", _REGISTRY),
)
def create(
    *,
    file: OptionalFile = None,
    asset: Asset,
    path: _Path = None,
    type: _Type = None,
    skip_validation: _SkipValidation = False,
    sets: Sets,
) -> Any:
    """Register a version of data where it lies: it is not copied. The same path again changes nothing."""
    from penstock.domain.data import Data

    document = read_one(file, DocumentKind.DATA) if file else Document.empty(DocumentKind.DATA)
    given = os.path.abspath(path.removeprefix("file:")) if path and is_local(path) else path
    document = document.with_fields(**asset.fields(), path=given, type=type)
    document = document.replaced(edited(dict(document.fields), sets))
    if document.text("name") is None:
        raise invalid(f"{document.source}: the data asset has no name: give `name` in the file, or --name")
    with connect() as client:
        spec = uploaded(client, Data, document)
        applied = client.data.create_or_update(spec, skip_validation=skip_validation)
    return shapes.data(applied.resource)


@command(app, "show", example="penstock data show -n sales --version 1", text=shapes.DATA, ignored=(_REGISTRY,))
def show(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version of data, the latest by default."""
    meant = _meant(version, label)
    with connect() as client:
        return shapes.data(client.data.get(name, meant))


@command(app, "list", example="penstock data list", text=shapes.DATA, ignored=(_REGISTRY,))
def list_all(
    name: _FilterName = None,
    include_archived: _IncludeArchived = False,
    archived_only: _ArchivedOnly = False,
    max_results: _MaxResults = None,
) -> Any:
    """List versions of data, newest first."""
    with connect() as client:
        found = client.data.list(name, include_archived=include_archived or archived_only)
    return [shapes.data(each) for each in found if each.status.archived or not archived_only][:max_results]


@command(
    app,
    "update",
    example='penstock data update -n sales --version 1 --set description="Since June" tags.owner=ann',
    text=shapes.DATA,
    ignored=(_REGISTRY,),
)
def update(*, name: Name, version: Version = None, label: _Label = None, edits: Edits) -> Any:
    """Change what is said of a version of data: description and tags."""
    from penstock.cli.version_changes import changed_fields
    from penstock.domain.asset import AssetChange
    from penstock.domain.fields import parse

    meant = _meant(version, label)
    why = "what a version refers to never changes, so register another one with `penstock data create`"
    with connect() as client:
        found = client.data.get(name, meant)
        change = parse(AssetChange, changed_fields(f"data {found.name}", found.spec, edits, why), f"data {found.name}")
        if not change.model_fields_set:
            notice(f"data {found.name} unchanged")
            return shapes.data(found)
        return shapes.data(client.data.change(name, _version(found), change).resource)


@command(app, "archive", example="penstock data archive -n sales --version 1", text=shapes.DATA, ignored=(_REGISTRY,))
def archive(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Hide a version of data from lists and from latest, or all versions; jobs that name it can still read it."""
    with connect() as client:
        return [shapes.data(client.data.archive(name, v)) for v in _versions(client, name, version, label)]


@command(app, "restore", example="penstock data restore -n sales --version 1", text=shapes.DATA, ignored=(_REGISTRY,))
def restore(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version of data in lists again, or all versions."""
    with connect() as client:
        return [shapes.data(client.data.restore(name, v)) for v in _versions(client, name, version, label)]


def _meant(version: str | None, label: str | None) -> str:
    """The version that the flags mean; raises `invalid` for both at once, and for labels that there are not."""
    if version is not None and label is not None:
        raise invalid("give --version or --label, not both")
    if label not in (None, "latest"):
        raise invalid(f"--label {label}: data assets have one label, latest")
    return version or "latest"


def _versions(client: "Client", name: str, version: str | None, label: str | None) -> list[str]:
    """The version that is meant, or all, as `az` does it."""
    meant = _meant(version, label)
    if version is not None or label is not None:
        return [_version(client.data.get(name, meant))]
    found = [_version(each) for each in client.data.list(name, include_archived=True)]
    if not found:
        raise not_found(f"there is no data {name!r}; see `penstock data list --include-archived`")
    return found


def _version(data: "RegisteredData") -> str:
    return data.name.rpartition(":")[2]
