"""Flags that several commands have, named as `az ml` names them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.domain.errors import invalid

Name = Annotated[str, typer.Option("--name", "-n", help="Name.", show_default=False)]
OptionalName = Annotated[str | None, typer.Option("--name", "-n", help="Name; wins over the file's.")]
EndpointName = Annotated[str, typer.Option("--endpoint-name", "-e", help="The endpoint.", show_default=False)]
OptionalEndpointName = Annotated[
    str | None, typer.Option("--endpoint-name", "-e", help="The endpoint; wins over the file's.")
]
File = Annotated[Path, typer.Option("--file", "-f", help="Azure ML YAML file.", show_default=False)]
OptionalFile = Annotated[Path | None, typer.Option("--file", "-f", help="Azure ML YAML file.")]
Files = Annotated[
    list[Path], typer.Option("--file", "-f", help="YAML file, or folder of them; any number.", show_default=False)
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is done.")]
Force = Annotated[
    bool, typer.Option("--force", help="Also while a rollout decides about the traffic, which then ends.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Version = Annotated[str | None, typer.Option("--version", "-v", help="Version.")]


@dataclass(frozen=True)
class Asset:
    """Flags that describe a version of something registered; they win over the file."""

    name: OptionalName = None
    version: Version = None
    description: Annotated[str | None, typer.Option("--description", "-d", help="What it is, in a sentence.")] = None
    tags: Annotated[list[str] | None, typer.Option("--tags", metavar="KEY=VALUE", help="Tags, as KEY=VALUE.")] = None

    def fields(self) -> dict[str, Any]:
        """The document's fields that were given."""
        tags = pairs("--tags", self.tags) if self.tags else None
        return {"name": self.name, "version": self.version, "description": self.description, "tags": tags}


def pairs(flag: str, written: Sequence[str] | None) -> dict[str, str]:
    """`KEY=VALUE` words as a mapping; raises `invalid` naming the flag and the word."""
    result: dict[str, str] = {}
    for word in written or ():
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise invalid(f"{flag} {word!r} is not understood: write KEY=VALUE")
        result[key] = value
    return result
