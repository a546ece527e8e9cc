"""The port for the model registry: named models with versions that never change."""

from collections.abc import Sequence
from typing import Protocol

from penstock.domain.model import ModelVersion
from penstock.domain.names import AssetReference


class Registry(Protocol):
    def register(self, version: ModelVersion) -> ModelVersion:
        """Keep a version. The same name, version and content again returns what is there; other content is a
        `conflict` that names the next free version."""
        ...

    def next_version(self, name: str) -> str:
        """One more than the highest numeric version of the model, "1" for a new one."""
        ...

    def resolve(self, reference: AssetReference) -> ModelVersion:
        """The version that is meant. Raises `not_found` that names the versions there are."""
        ...

    def versions(self, name: str | None = None) -> Sequence[ModelVersion]:
        """All versions, of one model or of all, newest first; archived ones too."""
        ...

    def archive(self, name: str, version: str, *, archived: bool) -> ModelVersion:
        """Set or clear the mark that hides a version from lists; it stays deployable."""
        ...
