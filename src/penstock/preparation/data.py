"""Data assets: named and versioned. What a version refers to never changes; what is said of it may."""

import os
from collections.abc import Sequence
from datetime import datetime

from penstock.control.resources import Change, Resources
from penstock.domain.data import DATA, Data, DataChange, DataStatus
from penstock.domain.errors import conflict, invalid, not_found
from penstock.domain.events import Event
from penstock.domain.names import check_asset_name
from penstock.domain.resource import Resource
from penstock.storage.base import Storage
from penstock.storage.patterns import split
from penstock.storage.uris import data_asset

Registered = Resource[Data, DataStatus]

_ATTEMPTS = 20  # each lost one means that somebody else's write went through


def check_data(storage: Storage, data: Data) -> None:
    """Raises `invalid` or `not_found` for a path that nothing could be read at; other machines are not asked."""
    what = f"data {data.name!r}"
    if data_asset(data.path) is not None:
        raise invalid(f"{what}: path {data.path} is a data asset itself: give what that refers to")
    here = storage.local_path(data.path)
    if here is None:
        return
    there = here if here.exists() else split(str(here))[0] or "/"
    if not os.path.exists(there):
        raise not_found(
            f"{what}: {there} does not exist on the platform's machine: copy or mount the data there, give a URI, or "
            "register it all the same with --skip-validation"
        )
    if data.type == "uri_file" and here.is_dir():
        raise invalid(f"{what}: {here} is a folder: say `type: uri_folder`")


def register_data(resources: Resources, data: Data, *, actor: str) -> tuple[Registered, Change]:
    """Register under its version, or under the next number; content equal to the newest version's adds nothing.

    Another description and other tags, if there are any, replace those of a version with the same content.
    """
    if data.name is None:
        raise invalid("the data asset has no name: give `name` in the file, or --name")
    name = check_asset_name("data", data.name)
    newest = next(iter(list_data(resources, name)), None)
    version = data.version
    if version is None:
        same = newest is not None and _content(newest.spec) == _content(data)
        version = newest.spec.version or "1" if newest is not None and same else _next_version(resources, name)
    full = f"{name}:{check_asset_name('version', version)}"
    spec = data.model_copy(update={"version": version})
    present = resources.find(DATA, full)
    if present is not None and _content(present.spec) != _content(spec):
        raise conflict(
            f"data {full!r} refers to {present.spec.path}, and versions never change: register it as version "
            f"{_next_version(resources, name)!r}"
        )
    if present is not None:
        said = {"description": spec.description, "tags": spec.tags}
        spec = present.spec.model_copy(update={field: value for field, value in said.items() if value})
    return resources.apply(DATA, full, spec, actor=actor)


def find_data(resources: Resources, name: str, version: str | None) -> Registered:
    """A version, or the newest one that is not archived. Raises `not_found` that names the remedy."""
    found = list_data(resources, name)
    if version is not None:
        found = [data for data in found if data.spec.version == version]
    what = name if version is None else f"{name}:{version}"
    if not found:
        raise not_found(
            f"data {what!r} is not registered; see `penstock data list`, or register it with `penstock data create`"
        )
    current = [data for data in found if version is not None or not data.status.archived]
    if not current:
        raise not_found(
            f"all versions of data {name!r} are archived: name one, or run "
            f"`penstock data restore --name {name} --version VERSION`"
        )
    return current[0]


def list_data(resources: Resources, name: str | None = None, *, archived: bool = True) -> Sequence[Registered]:
    """All versions of one data asset or of all, newest first; without the archived ones if so asked."""
    found = resources.list(DATA, "" if name is None else f"{name}:")
    shown = [data for data in found if archived or not data.status.archived]
    return sorted(shown, key=lambda data: data.created_at, reverse=True)


def change_data(resources: Resources, data: Registered, change: DataChange, *, actor: str) -> tuple[Registered, Change]:
    """Say something else of a version."""
    said: dict[str, object] = {}
    if "description" in change.model_fields_set:
        said["description"] = change.description or None
    if "tags" in change.model_fields_set:
        said["tags"] = change.tags or {}
    return resources.apply(DATA, data.name, data.spec.model_copy(update=said), actor=actor)


def archive_data(resources: Resources, data: Registered, *, archived: bool, actor: str, now: datetime) -> Registered:
    """Set or clear the mark that hides a version from lists; jobs that name it can still read it."""
    reason, done = ("Archived", "was archived") if archived else ("Restored", "was restored")
    for _ in range(_ATTEMPTS):
        if data.status.archived is archived:
            return data
        event = Event(
            at=now,
            kind=DATA.name,
            name=data.name,
            generation=data.generation,
            reason=reason,
            message=f"data {data.name!r} {done}",
            actor=actor,
        )
        written = resources.set_status(DATA, data, data.status.model_copy(update={"archived": archived}), event)
        if written is not None:
            return written
        data = resources.get(DATA, data.name)
    raise conflict(f"data {data.name!r} is being changed by others all the time; try again")


def _content(data: Data) -> Data:
    """What never changes of a version."""
    return data.model_copy(update={"version": None, "description": None, "tags": {}})


def _next_version(resources: Resources, name: str) -> str:
    versions = [r.spec.version or "" for r in list_data(resources, name)]
    numbers = [int(version) for version in versions if version.isdigit()]
    return str(max(numbers, default=0) + 1)
