"""`penstock data`: data assets, which are names and versions for files and folders."""

import os
from typing import Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Asset, Name, OptionalFile
from penstock.cli.sources import is_local
from penstock.cli.upload import uploaded
from penstock.cli.versions import Listing, Which, version_of, versions
from penstock.domain.errors import invalid

NOUN = "data"
app = noun("Data assets: names and versions for files and folders, which stay where they are.")

_REGISTRY = "--registry-name="

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
    return shapes.asset(applied.resource)


@command(app, "show", example="penstock data show -n sales --version 1", text=shapes.DATA, ignored=(_REGISTRY,))
def show(*, name: Name, which: Which) -> Any:
    """Show a version of data, the latest by default."""
    meant = which.one("data")
    with connect() as client:
        return shapes.asset(client.data.get(name, meant))


@command(app, "list", example="penstock data list", text=shapes.DATA, ignored=(_REGISTRY,))
def list_all(*, listing: Listing) -> Any:
    """List versions of data, newest first."""
    with connect() as client:
        return [shapes.asset(each) for each in listing.of(client.data)]


@command(
    app,
    "update",
    example='penstock data update -n sales --version 1 --set description="Since June" tags.owner=ann',
    text=shapes.DATA,
    ignored=(_REGISTRY,),
)
def update(*, name: Name, which: Which, edits: Edits) -> Any:
    """Change what is said of a version of data: description and tags."""
    from penstock.cli.version_changes import change_of

    meant = which.one("data")
    why = "what a version refers to never changes, so register another one with `penstock data create`"
    with connect() as client:
        found = client.data.get(name, meant)
        change = change_of(f"data {found.name}", found.spec, edits, why)
        if not change.model_fields_set:
            notice(f"data {found.name} unchanged")
            return shapes.asset(found)
        return shapes.asset(client.data.change(name, version_of(found), change).resource)


@command(app, "archive", example="penstock data archive -n sales --version 1", text=shapes.DATA, ignored=(_REGISTRY,))
def archive(*, name: Name, which: Which) -> Any:
    """Hide a version of data from lists and from latest, or all versions; jobs that name it can still read it."""
    meant = which.one_or_all("data")
    with connect() as client:
        found = versions("data", client.data, name, meant)
        return [shapes.asset(client.data.archive(name, version)) for version in found]


@command(app, "restore", example="penstock data restore -n sales --version 1", text=shapes.DATA, ignored=(_REGISTRY,))
def restore(*, name: Name, which: Which) -> Any:
    """Show a version of data in lists again, or all versions."""
    meant = which.one_or_all("data")
    with connect() as client:
        found = versions("data", client.data, name, meant)
        return [shapes.asset(client.data.restore(name, version)) for version in found]
