"""What users do with registered models, and how their files come from the registry to where deployments find them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from penstock.artifacts.base import Artifacts
from penstock.domain.artifact import ArtifactReference, Entry, Tree, parse_artifact_reference
from penstock.domain.errors import Code, PenstockError, invalid
from penstock.domain.model import Lineage, Model, ModelChange, ModelType, ModelVersion
from penstock.domain.names import AssetReference, check_asset_name
from penstock.preparation.background import Background
from penstock.preparation.model_types import flavors_of, type_of
from penstock.registry.base import Bytes, Content, ModelFiles, Registry, Source, StoredFile
from penstock.registry.known import KnownVersions
from penstock.registry.places import Registered, parse_place

_PATIENCE = 2.0  # seconds that a call waits for files on their way before it asks its caller to come again
_RETRY_AFTER = "1"
_CHUNK = 1024 * 1024
_MLMODEL_BYTES = 10 * 1024 * 1024


class Models:
    """Raises `unavailable` with `details["retry_after"]` while the registry starts or files are on their way."""

    def __init__(self, registry: Registry, files: ModelFiles, artifacts: Artifacts, known: KnownVersions) -> None:
        self._registry = registry
        self._files = files
        self._artifacts = artifacts
        self._known = known
        self._storing: Background[Source] = Background("model store")
        self._fetching: Background[ModelVersion] = Background("model fetch")

    def close(self) -> None:
        self._storing.close()
        self._fetching.close()

    def register(self, model: Model, *, at: datetime, actor: str) -> ModelVersion:
        """Register a model under its version, or under the next one.

        What is registered already, under that version or as the newest one, is returned as it is, so that a repeated
        call adds nothing. Raises `invalid` for bad names and paths, `conflict` for a version with other content.
        """
        if model.name is None:
            raise invalid("the model has no name: give `name` in the file, or --name")
        name = check_asset_name("model", model.name)
        files = parse_artifact_reference(model.path) or self._located(model.path)
        uploaded = isinstance(files, ArtifactReference)
        version = ModelVersion(
            name=name,
            version=check_asset_name("version", model.version) if model.version else "",
            path=model.path if uploaded else "",
            type=self._type(model, files),
            description=model.description,
            tags=model.tags,
            properties=model.properties,
            flavors=model.flavors or (self._flavors(files) if uploaded else {}),
            stage=model.stage,
            lineage=model.lineage or (Lineage() if uploaded else files.lineage),
            created_at=at,
            created_by=actor,
        )
        there = self._registered(version, files)
        if there is not None:
            return there
        return self._remembered(self._registry.register(version, self._stored(name, files) if uploaded else files))

    def get(self, reference: AssetReference) -> ModelVersion:
        """The version that is meant, with the flavors and lineage that only its files and run tell."""
        version = self._registry.resolve(reference)
        if version.type is ModelType.MLFLOW and not version.flavors:
            version = version.model_copy(update={"flavors": self._stored_flavors(version)})
        if version.lineage.job and version.lineage == Lineage(job=version.lineage.job):
            version = version.model_copy(update={"lineage": self._files.lineage(version.lineage.job)})
        return version

    def versions(self, name: str | None = None, *, archived: bool = False) -> Sequence[ModelVersion]:
        """Newest first; archived ones too if asked for."""
        return [version for version in self._registry.versions(name) if archived or not version.archived]

    def change(self, reference: AssetReference, change: ModelChange) -> ModelVersion:
        return self._registry.change(self._registry.resolve(reference), change)

    def archive(self, reference: AssetReference, *, archived: bool) -> ModelVersion:
        """Set or clear the mark that hides a version from lists; it stays deployable."""
        version = self._registry.resolve(reference).model_copy(update={"archived": archived})
        self._registry.note(version)
        return version

    def pinned(self, reference: AssetReference) -> AssetReference:
        """The reference with the version that it means now. One that names its version needs no registry."""
        try:
            version = self._registry.resolve(reference)
        except PenstockError as err:
            if err.code is Code.UNAVAILABLE and reference.version is not None:
                return reference
            raise
        return AssetReference(version.name, version.version)

    def placed(self, reference: AssetReference) -> ModelVersion:
        """The version, its files in the artifact store, known from before or fetched now, in the background."""
        known = self._known.recall(reference.name, reference.version) if reference.version is not None else None
        if known is not None and self._is_here(known):
            return known
        return self.fetch(reference, patience=0.0)

    def fetch(self, reference: AssetReference, *, patience: float = _PATIENCE) -> ModelVersion:
        """The version with its files in the artifact store. Raises `unavailable` while they are on their way."""
        outcome = self._fetching.outcome(str(reference), lambda: self._fetch(reference), patience=patience)
        if outcome is None:
            raise _on_its_way(f"the files of model {reference} are being fetched from the registry")
        if isinstance(outcome, PenstockError):
            self._forget(outcome, str(reference))
            raise outcome
        return outcome

    def _forget(self, error: PenstockError, key: str) -> None:
        """Only what may pass is remembered, for a pause: a version that is registered later is found then."""
        if error.code is not Code.UNAVAILABLE:
            self._fetching.retry(key)

    def _located(self, path: str) -> Source:
        place = parse_place(path)
        if not isinstance(place, Registered):
            return self._files.locate(place)
        version = self._registry.resolve(AssetReference(place.name, place.version, place.alias))
        lineage = version.lineage.model_copy(update={"parent": f"{version.name}:{version.version}"})
        return Source(uri=version.uri, type=version.type, lineage=lineage)

    def _type(self, model: Model, files: ArtifactReference | Source) -> ModelType:
        found = files.type if isinstance(files, Source) else type_of(self._artifacts.tree(files.digest), files.path)
        if model.type is ModelType.MLFLOW and found is not ModelType.MLFLOW:
            raise invalid(f"model {model.name!r}: type mlflow_model, but {model.path!r} has no MLmodel file at its top")
        return model.type or found

    def _registered(self, version: ModelVersion, files: ArtifactReference | Source) -> ModelVersion | None:
        """What a repeated call means: the version of that name, or the newest one, if it has this content."""
        versions = self._registry.versions(version.name)
        meant = [v for v in versions if v.version == version.version] if version.version else versions[:1]
        same = [v for v in meant if (v.source == files.uri if isinstance(files, Source) else v.path == version.path)]
        return same[0] if same else None

    def _stored(self, name: str, reference: ArtifactReference) -> Source:
        """The registry's copy of an uploaded model, made in the background as it may be large."""
        digest = f"{reference.digest}/{reference.path}"
        outcome = self._storing.outcome(digest, lambda: self._store(digest, reference), patience=_PATIENCE)
        if outcome is None:
            raise _on_its_way(f"the files of model {name!r} are being stored in the registry")
        if isinstance(outcome, PenstockError):
            raise outcome
        return outcome

    def _store(self, digest: str, reference: ArtifactReference) -> Source:
        entries = self._artifacts.tree(reference.digest).entries
        content: Content = {
            entry.path.removeprefix(f"{reference.path}/"): Bytes(entry.size, partial(self._chunks, entry))
            for entry in entries
        }
        return self._files.store(digest, reference.path, content)

    def _chunks(self, entry: Entry) -> Iterator[bytes]:
        with self._artifacts.open_blob(entry.sha256) as blob:
            while chunk := blob.read(_CHUNK):
                yield chunk

    def _fetch(self, reference: AssetReference) -> ModelVersion:
        version = self._registry.resolve(reference)
        if not self._is_here(version):
            tree = Tree(entries=tuple(self._fetched(version, file) for file in self._files.files(version)))
            digest, folder = self._artifacts.put_tree(tree), tree.entries[0].path.partition("/")[0]
            path = str(ArtifactReference(digest, folder))
            type_ = type_of(tree, folder) if version.path == version.uri else version.type
            flavors = self._flavors(ArtifactReference(digest, folder))
            version = version.model_copy(update={"path": path, "type": type_, "flavors": flavors})
            self._registry.note(version)
        return self._remembered(version)

    def _fetched(self, version: ModelVersion, file: StoredFile) -> Entry:
        digest, size = self._artifacts.add_blob(self._files.read(file))
        if size != file.size:
            what = f"{file.path!r} of model {version.name}:{version.version}"
            raise _on_its_way(f"{what} arrived with {size} of {file.size} bytes and is fetched again")
        return Entry(path=file.path, sha256=digest, size=size)

    def _remembered(self, version: ModelVersion) -> ModelVersion:
        if self._is_here(version):
            self._known.remember(version)
        return version

    def _is_here(self, version: ModelVersion) -> bool:
        """True if the version's files are in the artifact store of this platform."""
        reference = parse_artifact_reference(version.path)
        if reference is None:
            return False
        try:
            tree = self._artifacts.tree(reference.digest)
        except PenstockError:
            return False
        return not self._artifacts.missing(entry.sha256 for entry in tree.entries)

    def _flavors(self, reference: ArtifactReference) -> dict[str, object]:
        path = f"{reference.path}/MLmodel"
        entries = self._artifacts.tree(reference.digest).entries
        if not any(entry.path == path and entry.size <= _MLMODEL_BYTES for entry in entries):
            return {}
        return flavors_of(self._artifacts.read(reference.digest, path))

    def _stored_flavors(self, version: ModelVersion) -> dict[str, object]:
        files = self._files.files(version)
        found = next((f for f in files if f.path.endswith("/MLmodel") and f.path.count("/") == 1), None)
        if found is None or found.size > _MLMODEL_BYTES:
            return {}
        return flavors_of(b"".join(self._files.read(found)))


def _on_its_way(message: str) -> PenstockError:
    return PenstockError(Code.UNAVAILABLE, message, {"retry_after": _RETRY_AFTER})
