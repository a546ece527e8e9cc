"""The port for the model registry: named models with versions whose content never changes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.domain.model import Lineage, ModelChange, ModelType, ModelVersion
from penstock.domain.names import AssetReference
from penstock.domain.resource import Frozen
from penstock.registry.places import LoggedModel, RunOutput


@dataclass(frozen=True)
class Bytes:
    """The content of a file: how many bytes, and the way to get them, which may be gone more than once."""

    size: int
    chunks: Callable[[], Iterator[bytes]]


Content = Mapping[str, Bytes]  # a model's files by their path in its folder


class Source(Frozen):
    """Files of a model in the registry's store, not registered yet (or as another version)."""

    uri: str
    run: str | None = None
    model_id: str | None = None
    type: ModelType = ModelType.CUSTOM
    lineage: Lineage = Lineage()


class StoredFile(Frozen):
    """A file of a version. `place` is where it lies in the registry's store."""

    path: str  # its first part is the name of the model's folder or file
    size: int  # bytes
    place: str


class Registry(Protocol):
    """All methods raise `unavailable` while the registry starts or cannot be reached; that call may be repeated.

    `details["retry_after"]` of such an error says after how many seconds to try again.
    """

    def register(self, version: ModelVersion, source: Source) -> ModelVersion:
        """Register the files at `source` as `version`; with an empty `version.version`, as the next number.

        Raises `conflict` that names the next free version if that one is taken.
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

    def change(self, version: ModelVersion, change: ModelChange) -> ModelVersion:
        """Say something else of a version. Raises `not_found`, `invalid` for what the registry does not take."""
        ...

    def note(self, version: ModelVersion) -> None:
        """Keep `path`, `type`, `flavors` and `archived` of a version as they are in `version`."""
        ...


class ModelFiles(Protocol):
    """Models' files in the registry's own store. Raises `unavailable` as `Registry` does."""

    def store(self, digest: str, name: str, content: Content) -> Source:
        """Keep a model's files. The same `digest` is stored once; nothing is visible before it is whole.

        `name` is that of the folder or file, and not part of the paths of `content`.
        """
        ...

    def locate(self, place: RunOutput | LoggedModel) -> Source:
        """The files of a run's output or a logged model. Raises `not_found`."""
        ...

    def lineage(self, run: str) -> Lineage:
        """Where a run's models come from, as far as the run still tells."""
        ...

    def files(self, version: ModelVersion) -> Sequence[StoredFile]:
        """The files of a version. Raises `not_found` if they are gone, `failed` if they cannot be reached from here."""
        ...

    def read(self, file: StoredFile) -> Iterator[bytes]:
        """The content of one of these files in pieces. Raises `unavailable` if it breaks off."""
        ...
