"""The versions of a data asset or an environment, as commands name and list them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from penstock.cli.flags import Version
from penstock.domain.errors import invalid, not_found

if TYPE_CHECKING:
    from penstock.client.resources import AnyRemote

IncludeArchived = Annotated[bool, typer.Option("--include-archived", help="Archived versions too.")]
ArchivedOnly = Annotated[bool, typer.Option("--archived-only", help="Archived versions only.")]
MaxResults = Annotated[int | None, typer.Option("--max-results", "-r", min=1, help="At most this many.")]

_PLURALS = {"data": "data assets", "environment": "environments"}


class Assets(Protocol):
    """What the client can be asked of assets of one kind."""

    def get(self, name: str, version: str) -> "AnyRemote": ...

    def list(self, name: str | None, *, include_archived: bool) -> "Sequence[AnyRemote]": ...


@dataclass(frozen=True)
class Which:
    """Flags that name a version."""

    version: Version = None
    label: Annotated[str | None, typer.Option("--label", "-l", help="latest.")] = None

    def one(self, noun: str) -> str:
        """The version meant, or `latest`; raises `invalid` for both flags at once, and for labels there are not."""
        if self.version is not None and self.label is not None:
            raise invalid("give --version or --label, not both")
        if self.label not in (None, "latest"):
            raise invalid(f"--label {self.label}: {_PLURALS[noun]} have one label, latest")
        return self.version or "latest"

    def one_or_all(self, noun: str) -> str | None:
        """The same, but None, which means all versions, without any flag."""
        return None if (self.version, self.label) == (None, None) else self.one(noun)


@dataclass(frozen=True)
class Listing:
    """Flags that say which versions to list."""

    name: Annotated[str | None, typer.Option("--name", "-n", help="Only this one's versions.")] = None
    include_archived: IncludeArchived = False
    archived_only: ArchivedOnly = False
    max_results: MaxResults = None

    def of(self, assets: Assets) -> "Sequence[AnyRemote]":
        """Those versions, newest first."""
        found = assets.list(self.name, include_archived=self.include_archived or self.archived_only)
        return [asset for asset in found if asset.status.archived or not self.archived_only][: self.max_results]


def versions(noun: str, assets: Assets, name: str, meant: str | None) -> list[str]:
    """The version that is meant, or all, as `az` does it."""
    if meant is not None:
        return [version_of(assets.get(name, meant))]
    found = [version_of(asset) for asset in assets.list(name, include_archived=True)]
    if not found:
        raise not_found(f"there is no {noun} {name!r}; see `penstock {noun} list --include-archived`")
    return found


def version_of(asset: "AnyRemote") -> str:
    return asset.name.rpartition(":")[2]
