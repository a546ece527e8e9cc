"""Registered models: what can be asked of them."""

import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from penstock import durable
from penstock.client.archives import read_archive, write_archive
from penstock.client.artifacts import Artifacts, OnBytes
from penstock.client.downloads import write_below
from penstock.client.refusals import refusals_named
from penstock.client.resources import understood, understood_items
from penstock.client.transport import Transport, segment
from penstock.domain.artifact import Tree, parse_artifact_reference
from penstock.domain.errors import Code, PenstockError, invalid
from penstock.domain.model import Model, ModelChange, ModelVersion, Serving
from penstock.domain.names import check_asset_name

_ROOT = "/models"


class Models:
    """Wherever a version is asked for: its number or name, `latest`, or `@ALIAS`."""

    def __init__(self, transport: Transport, artifacts: Artifacts) -> None:
        self._transport = transport
        self._artifacts = artifacts

    def register(self, model: Model) -> ModelVersion:
        """Keep a version of a model; without `version`, the next one.

        Its path is an artifact reference, or a place that the registry knows (`runs:/RUN/PATH`, `models:/NAME/3`).
        The same content under the same version again returns what is there; other content is a `conflict`.
        """
        return understood(ModelVersion, self._transport.post(_ROOT, model.model_dump(mode="json")))

    def get(self, name: str, version: str = "latest") -> ModelVersion:
        return understood(ModelVersion, self._transport.get(_path(name, version)))

    def list(self, name: str | None = None, *, include_archived: bool = False) -> list[ModelVersion]:
        """All versions, newest first, of one model or of all."""
        query = {"name": name, "include_archived": "true" if include_archived else None}
        return understood_items(ModelVersion, self._transport.get(_ROOT, query))

    def change(self, name: str, version: str, change: ModelChange) -> ModelVersion:
        """Say something else of a version; fields that are None stay as they are. Its content never changes."""
        said = change.model_dump(mode="json", exclude_none=True)
        return understood(ModelVersion, self._transport.patch(_path(name, version), said))

    def archive(self, name: str, version: str) -> ModelVersion:
        """Hide a version from lists; it stays deployable."""
        return understood(ModelVersion, self._transport.post(f"{_path(name, version)}/archive"))

    def restore(self, name: str, version: str) -> ModelVersion:
        return understood(ModelVersion, self._transport.post(f"{_path(name, version)}/restore"))

    def deployments(self, name: str) -> Sequence[Serving]:
        """Where each version serves, or is about to."""
        return understood_items(Serving, self._transport.get(f"{_ROOT}/{segment(name)}/deployments"))

    def fetch(self, name: str, version: str = "latest") -> tuple[ModelVersion, Tree]:
        """A version with its files, which the platform gets from the registry's store first if it must."""
        found = understood(ModelVersion, self._transport.post(f"{_path(name, version)}/fetch"))
        reference = parse_artifact_reference(found.path)
        if reference is None:
            raise PenstockError(Code.INTERNAL, f"model {name}:{found.version} was fetched, yet lies at {found.path!r}")
        return found, self._artifacts.tree(reference.digest)

    def download(
        self, name: str, version: str, folder: Path, on_bytes: OnBytes = lambda _done, _total: None
    ) -> ModelVersion:
        """Have a version's files below `folder`/NAME, as `az` lays them out.

        Files that are there with the same content stay as they are, others are replaced. Raises `invalid` where
        something is in the way, `unavailable` for a full disk.
        """
        found, tree = self.fetch(name, version)
        target = folder / check_asset_name("model", found.name)
        write_below(target, tree, self._artifacts.chunks, on_bytes)
        return found

    def export(
        self, name: str, version: str, file: Path, on_bytes: OnBytes = lambda _done, _total: None
    ) -> ModelVersion:
        """Write a version with its files and lineage into an archive.

        It is seen under its name once it is whole. Raises `invalid` where it cannot be written, `unavailable` for a
        full disk.
        """
        found, tree = self.fetch(name, version)
        with refusals_named(file), durable.new_file(file.parent, ".penstock-") as (path, descriptor):
            with open(descriptor, "wb", closefd=False) as archive:
                write_archive(archive, found, tree, self._artifacts.chunks, on_bytes)
            os.fsync(descriptor)
            os.replace(path, file)
        return found

    def import_archive(
        self,
        file: Path,
        *,
        name: str | None = None,
        version: str | None = None,
        on_bytes: OnBytes = lambda _done, _total: None,
    ) -> ModelVersion:
        """Register the version that an archive holds, under its own name and version if no others are given.

        Nothing is sent before all of the archive has been checked. Raises `invalid`, naming the member, for one that
        is not as `export` writes it; `conflict` if the version exists with other content.
        """
        with refusals_named(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="penstock-") as folder:
            with _opened(file) as archive:
                unpacked = read_archive(archive, str(file), Path(folder), on_bytes)
            self._artifacts.upload(unpacked)
        return self.register(copy_of(unpacked.version, name=name, version=version))

    def share(
        self,
        name: str,
        version: str,
        other: "Models",
        *,
        as_name: str,
        as_version: str,
        on_bytes: OnBytes = lambda _done, _total: None,
    ) -> ModelVersion:
        """Register a version on another platform too; of its files, those are sent that are not there."""
        found, tree = self.fetch(name, version)
        other._artifacts.send(tree, self._artifacts.chunks, on_bytes)
        return other.register(copy_of(found, name=as_name, version=as_version))


def copy_of(found: ModelVersion, *, name: str | None, version: str | None) -> Model:
    """What registers `found`, whose files are in the artifact store, once more: under another name, elsewhere.

    Under the name and version that it has it is the same version, with the same parent; under others a child of it.
    """
    name, version = name or found.name, version or found.version
    renamed = (name, version) != (found.name, found.version)
    parent = f"{found.name}:{found.version}" if renamed else found.lineage.parent
    kept = found.model_dump(include={"path", "type", "description", "tags", "properties", "flavors", "stage"})
    lineage = found.lineage.model_copy(update={"parent": parent})
    return Model(name=name, version=version, lineage=lineage, **kept)


@contextmanager
def _opened(file: Path) -> Generator[BinaryIO]:
    try:
        archive = file.open("rb")
    except OSError as err:
        raise invalid(f"{file} cannot be read: {err.strerror}") from err
    with archive:
        yield archive


def _path(name: str, version: str) -> str:
    return f"{_ROOT}/{segment(name)}/versions/{segment(version)}"
