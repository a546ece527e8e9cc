"""`penstock environment`: registered environments."""

import os
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from penstock.cli import environment_care, prune, shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Asset, Name, OptionalFile
from penstock.cli.upload import uploaded
from penstock.cli.versions import Listing, Which, version_of, versions
from penstock.domain.errors import invalid

NOUN = "environment"
app = noun("Registered environments.")
app.add_typer(environment_care.app)

_REGISTRY = "--registry-name="


@dataclass(frozen=True)
class Contents:
    """Flags that say what is in the environment; they win over the file."""

    image: Annotated[str | None, typer.Option("--image", "-i", help="Base image, or a curated one's name.")] = None
    conda_file: Annotated[str | None, typer.Option("--conda-file", "-c", help="Conda YAML file.")] = None
    build_context: Annotated[str | None, typer.Option("--build-context", "-b", help="Folder with a Dockerfile.")] = None
    dockerfile_path: Annotated[str | None, typer.Option("--dockerfile-path", help="Dockerfile in that folder.")] = None
    os_type: Annotated[str | None, typer.Option("--os-type", help="linux.")] = None

    def fields(self) -> dict[str, Any]:
        """The document's fields that were given; paths start where the user is."""
        build = None
        if self.build_context is not None:
            dockerfile = {"dockerfile_path": self.dockerfile_path} if self.dockerfile_path else {}
            build = {"path": os.path.abspath(self.build_context), **dockerfile}
        conda = self.conda_file and os.path.abspath(self.conda_file)
        return {"image": self.image, "conda_file": conda, "build": build, "os_type": self.os_type}


@command(
    app,
    "create",
    example="penstock environment create -n sklearn -c conda.yml\npenstock environment create -f environment.yml",
    text=shapes.ENVIRONMENTS,
    ignored=("--no-wait", "--datastore=", _REGISTRY),
)
def create(*, file: OptionalFile = None, asset: Asset, contents: Contents, sets: Sets) -> Any:
    """Register a version of an environment; the same content again changes nothing."""
    from penstock.domain.environment import Environment

    document = read_one(file, DocumentKind.ENVIRONMENT) if file else Document.empty(DocumentKind.ENVIRONMENT)
    document = document.with_fields(**asset.fields(), **contents.fields())
    document = document.replaced(edited(dict(document.fields), sets))
    if document.text("name") is None:
        raise invalid(f"{document.source}: the environment has no name: give `name` in the file, or --name")
    with connect() as client:
        applied = client.environments.create_or_update(uploaded(client, Environment, document))
    for sentence in applied.notices:
        notice(sentence)
    return shapes.asset(applied.resource)


@command(
    app,
    "show",
    example="penstock environment show -n sklearn --version 1",
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def show(*, name: Name, which: Which) -> Any:
    """Show a version of an environment, the latest by default."""
    meant = which.one("environment")
    with connect() as client:
        return shapes.asset(client.environments.get(name, meant))


@command(
    app,
    "list",
    example="penstock environment list",
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def list_all(*, listing: Listing) -> Any:
    """List versions, newest first."""
    with connect() as client:
        return [shapes.asset(each) for each in listing.of(client.environments)]


@command(
    app,
    "update",
    example='penstock environment update -n sklearn --version 1 --set description="Since June" tags.owner=ann',
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def update(*, name: Name, which: Which, edits: Edits) -> Any:
    """Change what is said of a version: description and tags."""
    from penstock.cli.version_changes import change_of

    meant = which.one("environment")
    why = "what a version comes to never changes, so register another one with `penstock environment create`"
    with connect() as client:
        found = client.environments.get(name, meant)
        change = change_of(f"environment {found.name}", found.spec, edits, why)
        if not change.model_fields_set:
            notice(f"environment {found.name} unchanged")
            return shapes.asset(found)
        return shapes.asset(client.environments.change(name, version_of(found), change).resource)


@command(
    app,
    "archive",
    example="penstock environment archive -n sklearn --version 1",
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def archive(*, name: Name, which: Which) -> Any:
    """Hide a version from lists and from latest, or all versions; they stay deployable."""
    meant = which.one_or_all("environment")
    with connect() as client:
        found = versions("environment", client.environments, name, meant)
        return [shapes.asset(client.environments.archive(name, version)) for version in found]


@command(
    app,
    "restore",
    example="penstock environment restore -n sklearn --version 1",
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def restore(*, name: Name, which: Which) -> Any:
    """Show a version in lists again, or all versions."""
    meant = which.one_or_all("environment")
    with connect() as client:
        found = versions("environment", client.environments, name, meant)
        return [shapes.asset(client.environments.restore(name, version)) for version in found]


prune.add_to(app)
