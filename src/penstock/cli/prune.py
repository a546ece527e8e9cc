"""`penstock environment prune`: environments that nothing uses any more."""

from typing import Annotated, Any

import typer

from penstock.cli.command import command
from penstock.cli.connection import connect
from penstock.cli.show import table


def add_to(app: typer.Typer) -> None:
    """Make `prune` a command of the noun `app`."""
    command(
        app,
        "prune",
        example="penstock environment prune --older-than 30d --dry-run\npenstock environment prune --older-than 12h",
        text=table("fingerprint", "bytes", "last_used_at"),
    )(prune)


def prune(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Last used so long ago, as 30d or 12h.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")] = False,
) -> Any:
    """Remove built environments that no deployment uses; show what is gone and how many bytes that has freed."""
    with connect() as client:
        return [one.model_dump(mode="json") for one in client.environments.prune(older_than, dry_run=dry_run)]
