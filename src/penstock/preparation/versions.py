"""The registered versions of assets of one kind: their numbers, what may be said of them, and the archive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from penstock.control.resources import Change, Resources
from penstock.domain.asset import Asset, AssetChange, AssetStatus
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.events import Event
from penstock.domain.names import check_asset_name
from penstock.domain.resource import Kind, Resource

AssetT = TypeVar("AssetT", bound=Asset)
Registered = Resource[AssetT, AssetStatus]

_ATTEMPTS = 20  # each lost one means that somebody else's write went through


@dataclass(frozen=True)
class Words(Generic[AssetT]):
    """What messages call an asset (`noun`), the command that registers one, and what a registered one holds."""

    noun: str
    create: str
    holds: Callable[[AssetT], str]


class Versions(Generic[AssetT]):
    def __init__(self, resources: Resources, kind: Kind[AssetT, AssetStatus], words: Words[AssetT]) -> None:
        self._resources = resources
        self._kind = kind
        self._words = words

    def register(self, asset: AssetT, *, actor: str) -> tuple[Registered[AssetT], Change]:
        """Register under its version, or under the next number; content equal to the newest version's adds nothing.

        Another description and other tags, if there are any, replace those of a version with the same content.
        """
        if asset.name is None:
            raise invalid(f"the {self._words.noun} has no name: give `name` in the file, or --name")
        name = check_asset_name(self._kind.name, asset.name)
        newest = next(iter(self.list(name)), None)
        version = asset.version
        if version is None:
            same = newest is not None and _content(newest.spec) == _content(asset)
            version = newest.spec.version or "1" if newest is not None and same else self._next(name)
        full = f"{name}:{check_asset_name('version', version)}"
        spec = asset.model_copy(update={"version": version})
        present = self._resources.find(self._kind, full)
        if present is not None and _content(present.spec) != _content(spec):
            raise conflict(
                f"{self._kind.name} {full!r} {self._words.holds(present.spec)}, and versions never change: "
                f"register it as version {self._next(name)!r}"
            )
        if present is not None:
            said = {"description": spec.description, "tags": spec.tags}
            spec = present.spec.model_copy(update={field: value for field, value in said.items() if value})
        return self._resources.apply(self._kind, full, spec, actor=actor)

    def find(self, name: str, version: str | None) -> Registered[AssetT]:
        """A version, or the newest one that is not archived. Raises `not_found` that names the remedy."""
        kind, found = self._kind.name, self.list(name)
        if version is not None:
            found = [asset for asset in found if asset.spec.version == version]
        what = name if version is None else f"{name}:{version}"
        if not found:
            raise not_found(
                f"{kind} {what!r} is not registered; see `penstock {kind} list`, "
                f"or register it with `{self._words.create}`"
            )
        current = [asset for asset in found if version is not None or not asset.status.archived]
        if not current:
            raise not_found(
                f"all versions of {kind} {name!r} are archived: name one, or run "
                f"`penstock {kind} restore --name {name} --version VERSION`"
            )
        return current[0]

    def list(self, name: str | None = None, *, archived: bool = True) -> Sequence[Registered[AssetT]]:
        """All versions of one asset or of all, newest first; without the archived ones if so asked."""
        found = self._resources.list(self._kind, "" if name is None else f"{name}:")
        shown = [asset for asset in found if archived or not asset.status.archived]
        return sorted(shown, key=lambda asset: asset.created_at, reverse=True)

    def change(
        self, asset: Registered[AssetT], change: AssetChange, *, actor: str
    ) -> tuple[Registered[AssetT], Change]:
        """Say something else of a version."""
        said: dict[str, object] = {}
        if "description" in change.model_fields_set:
            said["description"] = change.description or None
        if "tags" in change.model_fields_set:
            said["tags"] = change.tags or {}
        return self._resources.apply(self._kind, asset.name, asset.spec.model_copy(update=said), actor=actor)

    def archive(self, asset: Registered[AssetT], *, archived: bool, actor: str, now: datetime) -> Registered[AssetT]:
        """Set or clear the mark that hides a version from lists; whoever names it can still use it."""
        reason, done = ("Archived", "was archived") if archived else ("Restored", "was restored")
        for _ in range(_ATTEMPTS):
            if asset.status.archived is archived:
                return asset
            event = Event(
                at=now,
                kind=self._kind.name,
                name=asset.name,
                generation=asset.generation,
                reason=reason,
                message=f"{self._kind.name} {asset.name!r} {done}",
                actor=actor,
            )
            status = asset.status.model_copy(update={"archived": archived})
            written = self._resources.set_status(self._kind, asset, status, event)
            if written is not None:
                return written
            asset = self._resources.get(self._kind, asset.name)
        raise conflict(f"{self._kind.name} {asset.name!r} is being changed by others all the time; try again")

    def _next(self, name: str) -> str:
        versions = [asset.spec.version or "" for asset in self.list(name)]
        numbers = [int(version) for version in versions if version.isdigit()]
        return str(max(numbers, default=0) + 1)


def _content(asset: AssetT) -> AssetT:
    """What never changes of a version."""
    return asset.model_copy(update={"version": None, "description": None, "tags": {}})
