"""The port for the model registry: named models with versions whose content never changes."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from penstock.domain.model import ModelChange, ModelVersion
from penstock.domain.names import AssetReference
from penstock.domain.resource import Frozen


class StoredFile(Frozen):
    """A file of a version in the registry's own store. `path` is relative to the model's folder."""

    path: str
    size: int  # bytes


class Registry(Protocol):
    """All methods raise `unavailable` while the registry starts or cannot be reached; that call may be repeated.

    `details["retry_after"]` of such an error says after how many seconds to try again.
    """

    def register(self, version: ModelVersion) -> ModelVersion:
        """Keep a version whose files are at `version.path`, which only the registry's own URIs may be.

        An empty `version.version` means the next number. The same name, version and content again returns what is
        there; other content is a `conflict` that names the next free version.
        """
        ...

    def resolve(self, reference: AssetReference) -> ModelVersion:
        """The version that is meant: by number, name, `latest` (not archived) or alias.

        Raises `not_found` that names the versions there are.
        """
        ...

    def versions(self, name: str | None = None) -> Sequence[ModelVersion]:
        """All versions, of one model or of all, newest first; archived ones too."""
        ...

    def change(self, name: str, version: str, change: ModelChange) -> ModelVersion:
        """Say something else of a version. Raises `not_found`, `invalid` for what the registry does not take."""
        ...

    def archive(self, name: str, version: str, *, archived: bool) -> ModelVersion:
        """Set or clear the mark that hides a version from lists; it stays deployable."""
        ...

    def files(self, version: ModelVersion) -> Sequence[StoredFile]:
        """The files of a version in the registry's store. Raises `not_found` if they are gone."""
        ...

    def read(self, version: ModelVersion, path: str) -> Iterator[bytes]:
        """The content of one of these files in pieces. Raises `unavailable` if it breaks off."""
        ...
