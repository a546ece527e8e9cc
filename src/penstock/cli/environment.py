"""`penstock environment`: registered environments."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli import environment_care, prune, shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import Document, DocumentKind, read_one
from penstock.cli.edits import Edits, Sets, edited
from penstock.cli.errors import notice
from penstock.cli.flags import Asset, Name, OptionalFile, Version
from penstock.cli.upload import uploaded
from penstock.domain.errors import invalid, not_found

if TYPE_CHECKING:
    from penstock.client.client import Client
    from penstock.client.resources import RegisteredEnvironment

NOUN = "environment"
app = noun("Registered environments.")
app.add_typer(environment_care.app)

_REGISTRY = "--registry-name="

_Label = Annotated[str | None, typer.Option("--label", "-l", help="latest.")]
_FilterName = Annotated[str | None, typer.Option("--name", "-n", help="Only this one's versions.")]
_IncludeArchived = Annotated[bool, typer.Option("--include-archived", help="Archived versions too.")]
_ArchivedOnly = Annotated[bool, typer.Option("--archived-only", help="Archived versions only.")]
_MaxResults = Annotated[int | None, typer.Option("--max-results", "-r", min=1, help="At most this many.")]


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
    ignored=(_REGISTRY,),
)
def show(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version of an environment, the latest by default."""
    meant = _meant(version, label)
    with connect() as client:
        return shapes.environment(client.environments.get(name, meant))


@command(
    app,
    "list",
    example="penstock environment list",
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def list_all(
    name: _FilterName = None,
    include_archived: _IncludeArchived = False,
    archived_only: _ArchivedOnly = False,
    max_results: _MaxResults = None,
) -> Any:
    """List versions, newest first."""
    with connect() as client:
        found = client.environments.list(name, include_archived=include_archived or archived_only)
    return [shapes.environment(e) for e in found if e.status.archived or not archived_only][:max_results]


@command(
    app,
    "update",
    example='penstock environment update -n sklearn --version 1 --set description="Since June" tags.owner=ann',
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def update(*, name: Name, version: Version = None, label: _Label = None, edits: Edits) -> Any:
    """Change what is said of a version: description and tags."""
    from penstock.cli.environment_changes import change_of

    meant = _meant(version, label)
    with connect() as client:
        found = client.environments.get(name, meant)
        change = change_of(found.name, found.spec, edits)
        if not change.model_fields_set:
            notice(f"environment {found.name} unchanged")
            return shapes.environment(found)
        return shapes.environment(client.environments.change(name, _version(found), change).resource)


@command(
    app,
    "archive",
    example="penstock environment archive -n sklearn --version 1",
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def archive(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Hide a version from lists and from latest, or all versions; they stay deployable."""
    meant = _meant(version, label)
    with connect() as client:
        versions = _versions(client, name, None if version is None and label is None else meant)
        return [shapes.environment(client.environments.archive(name, v)) for v in versions]


@command(
    app,
    "restore",
    example="penstock environment restore -n sklearn --version 1",
    text=shapes.ENVIRONMENTS,
    ignored=(_REGISTRY,),
)
def restore(name: Name, version: Version = None, label: _Label = None) -> Any:
    """Show a version in lists again, or all versions."""
    meant = _meant(version, label)
    with connect() as client:
        versions = _versions(client, name, None if version is None and label is None else meant)
        return [shapes.environment(client.environments.restore(name, v)) for v in versions]


def _meant(version: str | None, label: str | None) -> str:
    """The version that the flags mean; raises `invalid` for both at once, and for labels that there are not."""
    if version is not None and label is not None:
        raise invalid("give --version or --label, not both")
    if label not in (None, "latest"):
        raise invalid(f"--label {label}: environments have one label, latest")
    return version or "latest"


def _versions(client: "Client", name: str, meant: str | None) -> list[str]:
    """The version that is meant, or all, as `az` does it."""
    if meant is not None:
        return [_version(client.environments.get(name, meant))]
    found = [_version(environment) for environment in client.environments.list(name, include_archived=True)]
    if not found:
        raise not_found(f"there is no environment {name!r}; see `penstock environment list --include-archived`")
    return found


def _version(environment: "RegisteredEnvironment") -> str:
    return environment.name.rpartition(":")[2]


prune.add_to(app)
