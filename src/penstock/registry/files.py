"""A model registry in a folder of this host: `NAME/VERSION.json`, each made once and never changed but for its mark."""

import os
from collections.abc import Sequence
from pathlib import Path

from penstock import durable
from penstock.domain.errors import Code, PenstockError, conflict, full_disk_named, invalid, not_found
from penstock.domain.model import ModelVersion
from penstock.domain.names import AssetReference, check_asset_name

_MAX_VERSION = 200  # characters; with the ending it must fit a file name


class FileRegistry:
    """Model versions below `folder`, which is made if need be. Safe for several threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._models = folder / "models"
        self._temporary = folder / "tmp"
        for part in (folder, self._models, self._temporary):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.remove_stale(self._temporary)

    def register(self, version: ModelVersion) -> ModelVersion:
        check_asset_name("model", version.name)
        check_asset_name("model version", version.version)
        if len(version.version) > _MAX_VERSION:
            raise invalid(f"version of model {version.name!r} has more than {_MAX_VERSION} characters")
        target = self._file(version.name, version.version)
        with full_disk_named(self._folder), durable.new_file(self._temporary) as (path, descriptor):
            durable.write_all(descriptor, version.model_dump_json().encode())
            os.fsync(descriptor)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                os.link(path, target)  # unlike a rename, this fails if somebody was first
            except FileExistsError:
                return self._same(version)
        durable.sync_folder(target.parent)
        return version

    def next_version(self, name: str) -> str:
        numbers = [int(version.version) for version in self.versions(name) if version.version.isdecimal()]
        return str(max(numbers, default=0) + 1)

    def resolve(self, reference: AssetReference) -> ModelVersion:
        """Without a version, the one registered last is meant, as in Azure; archived ones only by their number."""
        known = self.versions(reference.name)
        if not known:
            raise not_found(
                f"model {reference.name!r} is not registered: penstock model create --name {reference.name}"
            )
        meant = [
            version
            for version in known
            if (version.version == reference.version if reference.version is not None else not version.archived)
        ]
        if not meant:
            raise not_found(f"no model {reference} is registered; there are {', '.join(map(_shown, known))}")
        return meant[0]

    def versions(self, name: str | None = None) -> Sequence[ModelVersion]:
        if name is not None:
            check_asset_name("model", name)
        found = [_read(file) for file in self._models.glob(f"{name or '*'}/*.json")]
        return sorted(found, key=lambda v: (v.created_at, _number(v), v.name), reverse=True)

    def archive(self, name: str, version: str, *, archived: bool) -> ModelVersion:
        marked = self.resolve(AssetReference(name, version)).model_copy(update={"archived": archived})
        target = self._file(name, version)
        with full_disk_named(self._folder):
            durable.replace(target, marked.model_dump_json().encode())
        durable.sync_folder(target.parent)
        return marked

    def _same(self, version: ModelVersion) -> ModelVersion:
        """What is registered in the place of `version`, if it is the same."""
        there = _read(self._file(version.name, version.version))
        if _content(there) != _content(version):
            raise conflict(
                f"model {version.name!r} version {version.version} is registered with other content and never changes; "
                f"the next free version is {self.next_version(version.name)}"
            )
        return there

    def _file(self, name: str, version: str) -> Path:
        return self._models / name / f"{version}.json"


def _read(file: Path) -> ModelVersion:
    try:
        return ModelVersion.model_validate_json(file.read_bytes())
    except ValueError as err:
        raise PenstockError(Code.INTERNAL, f"the model registry's file {file} is damaged") from err


def _content(version: ModelVersion) -> ModelVersion:
    """`version` without what differs between two registrations of the same."""
    return version.model_copy(update={"created_at": None, "created_by": None, "archived": None})


def _number(version: ModelVersion) -> int:
    return int(version.version) if version.version.isdecimal() else -1


def _shown(version: ModelVersion) -> str:
    return f"{version.version} (archived)" if version.archived else version.version
