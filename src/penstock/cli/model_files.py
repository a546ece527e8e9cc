"""`penstock model download`, `export`, `import` and `share`: versions with their files, from here to elsewhere."""

from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli import shapes
from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.flags import Name, OptionalName, Version
from penstock.cli.progress import Meter
from penstock.cli.show import Output, table
from penstock.domain.errors import invalid

app = noun("")

_OneVersion = Annotated[
    str, typer.Option("--version", "-v", help="Version: its number or name, latest, or @ALIAS.", show_default=False)
]
_Folder = Annotated[
    Path, typer.Option("--download-path", "-p", help="Folder in which one named after the model is made.")
]
_ArchiveFile = Annotated[
    Path, typer.Option("--output-file", "-o", help="The archive to write: fraud-3.tar.zst.", show_default=False)
]
_GivenArchive = Annotated[Path, typer.Argument(metavar="FILE", help="The archive.", show_default=False)]
_Registry = Annotated[
    str, typer.Option("--registry-name", help="URL of the other platform; PENSTOCK_SHARE_TOKEN is its token.")
]
_SharedName = Annotated[str, typer.Option("--share-with-name", help="The model's name there.")]
_SharedVersion = Annotated[str, typer.Option("--share-with-version", help="The version there.")]


@command(
    app,
    "download",
    example="penstock model download -n fraud --version 3 -p models/",
    text=table("name", "version", "path"),
    ignored=("--registry-name=",),
)
def download(name: Name, version: _OneVersion, folder: _Folder = Path()) -> Any:
    """Have a version's files in DOWNLOAD_PATH/NAME, each checked; what is there already is not sent again."""
    with connect() as client:
        found = client.models.download(name, version, folder, Meter("Download", name))
    return {"name": found.name, "version": found.version, "path": str((folder / found.name).absolute())}


@command(
    app,
    "export",
    example="penstock model export -n fraud --version 3 -o fraud-3.tar.zst",
    text=table("name", "version", "path", "bytes"),
)
def export(name: Name, version: _OneVersion, file: _ArchiveFile) -> Any:
    """Write a version with its files, tags and lineage into one file, for `penstock model import` elsewhere."""
    if str(file) in [form.value for form in Output]:
        raise invalid(f"-o names the archive here: write -o {name}.tar.zst, and --output {file} for the result")
    with connect() as client:
        found = client.models.export(name, version, file, Meter("Export", name))
    size = file.stat().st_size
    return {"name": found.name, "version": found.version, "path": str(file.absolute()), "bytes": size}


@command(
    app,
    "import",
    example="penstock model import fraud-3.tar.zst\npenstock model import fraud-3.tar.zst -n fraud-eu --version 1",
    text=shapes.models_text,
)
def import_archive(file: _GivenArchive, name: OptionalName = None, version: Version = None) -> Any:
    """Register the version that an archive holds; nothing is registered unless all of it is right."""
    with connect() as client:
        meter = Meter("Import", file.name)
        return shapes.model(client.models.import_archive(file, name=name, version=version, on_bytes=meter))


@command(
    app,
    "share",
    example="penstock model share -n fraud --version 3 --registry-name http://staging:8700 "
    "--share-with-name fraud --share-with-version 1",
    text=shapes.models_text,
)
def share(
    *,
    name: Name,
    version: _OneVersion,
    registry_name: _Registry,
    share_with_name: _SharedName,
    share_with_version: _SharedVersion,
) -> Any:
    """Register a version on another platform too, with its lineage; only files that it lacks are sent."""
    from penstock.cli.progress import Wait
    from penstock.client.client import Client
    from penstock.settings import from_environment

    token = from_environment().share_token
    if token is None:
        raise invalid(f"no token for {registry_name}: put it into the variable PENSTOCK_SHARE_TOKEN")
    with connect() as client, Client(registry_name, token, on_waiting=Wait()) as other:
        meter = Meter("Share", name)
        shared = client.models.share(
            name, version, other.models, as_name=share_with_name, as_version=share_with_version, on_bytes=meter
        )
    return shapes.model(shared)
