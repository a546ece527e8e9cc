"""A registry in memory, both of its ports; it can be down."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from penstock.domain.errors import Code, PenstockError, conflict, not_found
from penstock.domain.model import Lineage, ModelChange, ModelType, ModelVersion
from penstock.domain.names import AssetReference
from penstock.registry.base import Content, Source, StoredFile
from penstock.registry.places import LoggedModel, RunOutput

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class FakeRegistry:
    """`down` makes every call raise `unavailable`; `stored` counts how often content was really stored."""

    def __init__(self) -> None:
        self.down = False
        self.stored = 0
        self._content: dict[str, dict[str, bytes]] = {}
        self._digests: dict[str, str] = {}
        self._versions: dict[str, list[ModelVersion]] = {}

    def register(self, version: ModelVersion, source: Source) -> ModelVersion:
        self._reach()
        there = self._versions.setdefault(version.name, [])
        highest = max((_number(v) for v in there), default=0)
        number = int(version.version) if version.version.isdecimal() else highest + 1
        if number <= highest or any(v.version == version.version for v in there):
            raise conflict(
                f"model {version.name!r} version {version.version} is registered with other content: versions never "
                f"change: the next free one is {highest + 1}"
            )
        uri = f"models:/{version.name}/{number}"
        facts = {"version": version.version or str(number), "uri": uri, "source": source.uri}
        kept = version.model_copy(
            update={**facts, "path": version.path or uri, "created_at": _BEGAN + timedelta(minutes=number)}
        )
        there.append(kept)
        return kept

    def resolve(self, reference: AssetReference) -> ModelVersion:
        known = self.versions(reference.name)
        meant = [v for v in known if _means(reference, v)]
        if not meant:
            names = ", ".join(v.version for v in known) or "none"
            raise not_found(f"no model {reference} is registered; there are {names}")
        return meant[0]

    def versions(self, name: str | None = None) -> Sequence[ModelVersion]:
        self._reach()
        found = [v for key, versions in self._versions.items() if name in (None, key) for v in versions]
        return sorted(found, key=lambda v: (v.created_at, _number(v)), reverse=True)

    def change(self, version: ModelVersion, change: ModelChange) -> ModelVersion:
        said = {name: value for name, value in change.model_dump().items() if value is not None}
        changed = self.resolve(AssetReference(version.name, version.version)).model_copy(update=said)
        self._replace(changed)
        return changed

    def note(self, version: ModelVersion) -> None:
        self._reach()
        self._replace(version)

    def store(self, digest: str, name: str, content: Content) -> Source:
        self._reach()
        if digest not in self._digests:
            self.stored += 1
            uri = f"models:/m-{self.stored:032x}"
            self._content[uri] = {
                path if path == name else f"{name}/{path}": b"".join(file.chunks()) for path, file in content.items()
            }
            self._digests[digest] = uri
        uri = self._digests[digest]
        return Source(uri=uri, model_id=uri.removeprefix("models:/"), type=self._type(uri))

    def locate(self, place: RunOutput | LoggedModel) -> Source:
        self._reach()
        uri = f"models:/{place.model_id}" if isinstance(place, LoggedModel) else f"runs:/{place.run}/{place.path}"
        if uri not in self._content:
            raise not_found(f"{uri} has logged no model")
        return Source(uri=uri, type=self._type(uri))

    def lineage(self, run: str) -> Lineage:
        self._reach()
        return Lineage(job=run)

    def files(self, version: ModelVersion) -> Sequence[StoredFile]:
        self._reach()
        uri = self._origin(version)
        return [StoredFile(path=p, size=len(data), place=f"{uri}|{p}") for p, data in self._content[uri].items()]

    def read(self, file: StoredFile) -> Iterator[bytes]:
        self._reach()
        uri, _, path = file.place.partition("|")
        yield self._content[uri][path]

    def _type(self, uri: str) -> ModelType:
        return ModelType.MLFLOW if any(p.endswith("/MLmodel") for p in self._content[uri]) else ModelType.CUSTOM

    def _origin(self, version: ModelVersion) -> str:
        """Where the files lie: a version may be made from another one."""
        name, _, number = version.source.removeprefix("models:/").partition("/")
        return self._origin(self.resolve(AssetReference(name, number))) if number else version.source

    def _reach(self) -> None:
        if self.down:
            raise PenstockError(Code.UNAVAILABLE, "the model registry does not answer", {"retry_after": "1"})

    def _replace(self, version: ModelVersion) -> None:
        self._versions[version.name] = [
            version if v.version == version.version else v for v in self._versions[version.name]
        ]


def _means(reference: AssetReference, version: ModelVersion) -> bool:
    if reference.version is not None:
        return reference.version in (version.version, version.uri.rpartition("/")[2])
    if reference.label in (None, "latest"):
        return not version.archived
    return reference.label in version.aliases


def _number(version: ModelVersion) -> int:
    return int(version.uri.rpartition("/")[2])
