"""`penstock environment`: registered environments."""

import os
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from penstock.cli import prune, shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Asset, Name, OptionalFile, Version
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid

NOUN = "environment"
app = noun("Registered environments.")

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
    return shapes.environment(applied.resource)


@command(
    app,
    "show",
    example="penstock environment show -n sklearn --version 1",
    text=shapes.ENVIRONMENTS,
    ignored=("--label/-l=", _REGISTRY),
)
def show(name: Name, version: Version = None) -> Any:
    """Show a version of an environment, the latest by default."""
    with connect() as client:
        return shapes.environment(client.environments.get(name, version or "latest"))


@command(
    app,
    "list",
    example="penstock environment list",
    text=shapes.ENVIRONMENTS,
    ignored=("--include-archived", "--archived-only", "--max-results/-r=", _REGISTRY),
)
def list_all(name: Annotated[str | None, typer.Option("--name", "-n", help="Only this one's versions.")] = None) -> Any:
    """List versions, newest first."""
    with connect() as client:
        return [shapes.environment(environment) for environment in client.environments.list(name)]


prune.add_to(app)
