"""The model registry of a real MLflow server: models, versions, aliases and tags, over its REST interface."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from penstock.domain.errors import Code, PenstockError, conflict, invalid, not_found
from penstock.domain.model import ModelChange, ModelVersion
from penstock.domain.names import AssetReference, check_asset_name
from penstock.registry import rows
from penstock.registry.base import Source
from penstock.registry.rest import MlflowRest
from penstock.registry.rows import Row, is_model, number_key, tags_for, tags_of, version_of

_PAGE = 500
_MOST_SKIPPED = 200  # MLflow counts versions itself: a given one is reached by making and deleting those before it
_NOTED = (rows.TYPE, rows.PATH, rows.FLAVORS, rows.ARCHIVED)


class MlflowRegistry:
    """See `Registry`. Versions that MLflow's own clients register are versions here at once."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest
        self._registering = threading.Lock()

    def register(self, version: ModelVersion, source: Source) -> ModelVersion:
        check_asset_name("model", version.name)
        given = check_asset_name("version", version.version) if version.version else ""
        with self._registering:
            self._make_model(version.name)
            if not given:
                return version_of(self._create(version, source))
            rows_ = self._rows(version.name, everything=True)
            taken = next((row for row in rows_ if given in _names(row)), None)
            if taken is not None and is_model(taken):
                raise self._taken(version, rows_)
            if not given.isdecimal():
                return version_of(self._create(version, source))
            return self._create_at(version, source, int(given), rows_)

    def resolve(self, reference: AssetReference) -> ModelVersion:
        found = self._find(reference)
        if found is None:
            known = self.versions(reference.name)
            if not known:
                raise not_found(
                    f"model {reference.name!r} is not registered: penstock model create --name {reference.name}"
                )
            names = ", ".join(map(_shown, known[:20]))
            raise not_found(f"no model {reference} is registered; there are {names}")
        return version_of(found, _aliases(self._model(reference.name)).get(str(found["version"]), ()))

    def versions(self, name: str | None = None) -> Sequence[ModelVersion]:
        aliases: Mapping[str, Mapping[str, Sequence[str]]]
        if name is None:
            models = self._rest.pages("/registered-models/search", "registered_models", max_results=_PAGE)
            aliases = {str(model["name"]): _aliases(model) for model in models}
        else:
            aliases = {name: _aliases(self._model(name))}
        found = sorted(
            self._rows(name), key=lambda r: (int(r.get("creation_timestamp", 0)), number_key(r)), reverse=True
        )
        return [version_of(row, aliases.get(str(row["name"]), {}).get(str(row["version"]), ())) for row in found]

    def change(self, version: ModelVersion, change: ModelChange) -> ModelVersion:
        number = version.uri.rpartition("/")[2]
        if change.description is not None:
            self._rest.patch(
                "/model-versions/update", name=version.name, version=number, description=change.description
            )
        said = {k: v for k, v in change.model_dump().items() if v is not None and k in ("tags", "properties", "stage")}
        self._set_tags(version.name, number, tags_for(version), tags_for(version.model_copy(update=said)))
        for alias in set(version.aliases) - set(change.aliases if change.aliases is not None else version.aliases):
            self._rest.delete("/registered-models/alias", name=version.name, alias=alias)
        for alias in set(change.aliases or ()) - set(version.aliases):
            if alias == "latest" or alias.isdecimal():
                raise invalid(f"alias {alias!r} of model {version.name!r} would be taken for a version: choose another")
            self._rest.post("/registered-models/alias", name=version.name, alias=alias, version=number)
        return self.resolve(AssetReference(version.name, version.version))

    def note(self, version: ModelVersion) -> None:
        row = self._row(version.name, version.version)
        before, after = tags_of(row), tags_for(version)
        keep = {key: value for key, value in before.items() if key not in _NOTED}
        self._set_tags(version.name, str(row["version"]), before, keep | {k: after[k] for k in _NOTED if k in after})

    def _find(self, reference: AssetReference) -> Row | None:
        if reference.version is not None:
            try:
                return self._row(reference.name, reference.version)
            except PenstockError as err:
                if err.code is not Code.NOT_FOUND:
                    raise
                return None
        if reference.label in (None, "latest"):
            shown = [row for row in self._rows(reference.name) if rows.ARCHIVED not in tags_of(row)]
            return max(shown, key=number_key, default=None)
        number = next(
            (n for n, names in _aliases(self._model(reference.name)).items() if reference.label in names), None
        )
        return None if number is None else self._row(reference.name, number)

    def _row(self, name: str, version: str) -> Row:
        """MLflow's record of a version, by number or by the name that it was given."""
        check_asset_name("model", name)
        if version.isdecimal():
            row = self._rest.get("/model-versions/get", name=name, version=version)["model_version"]
            found = cast(Row, row) if is_model(row) else None
        else:
            found = next((row for row in self._rows(name) if version in _names(row)), None)
        if found is None:
            raise not_found(f"no model azureml:{name}:{version} is registered")
        return found

    def _rows(self, name: str | None, *, everything: bool = False) -> list[Row]:
        query: dict[str, str | int] = {"max_results": _PAGE}
        if name is not None:
            query["filter"] = f"name='{check_asset_name('model', name)}'"
        found = self._rest.pages("/model-versions/search", "model_versions", **query)
        return [row for row in found if everything or is_model(row)]

    def _model(self, name: str) -> Row:
        """The registered model with its aliases; empty if there is none."""
        try:
            return cast(Row, self._rest.get("/registered-models/get", name=name)["registered_model"])
        except PenstockError as err:
            if err.code is not Code.NOT_FOUND:
                raise
            return {}

    def _make_model(self, name: str) -> None:
        try:
            self._rest.post("/registered-models/create", name=name)
        except PenstockError as err:
            if err.code is not Code.CONFLICT:
                raise

    def _create(self, version: ModelVersion, source: Source, **more: str) -> Row:
        ids = {"run_id": source.run, "model_id": source.model_id}
        tags = [{"key": key, "value": value} for key, value in {**tags_for(version), **more}.items()]
        fields = {"name": version.name, "source": source.uri, "tags": tags, "description": version.description or ""}
        answer = self._rest.post("/model-versions/create", **fields, **{k: v for k, v in ids.items() if v})
        return cast(Row, answer["model_version"])

    def _create_at(self, version: ModelVersion, source: Source, wanted: int, there: Sequence[Row]) -> ModelVersion:
        """Create versions until MLflow's count has come to `wanted`; none is visible before it is that one."""
        highest = max(map(number_key, there), default=0)
        if wanted <= highest:
            raise self._taken(version, there)
        if wanted - highest > _MOST_SKIPPED:
            raise invalid(
                f"model {version.name!r}: version {wanted} is over {_MOST_SKIPPED} above the newest, {highest}; MLflow "
                f"counts by one: leave the version out, or give it a name such as v{wanted}"
            )
        for _ in range(wanted - highest):
            row = self._create(version, source, **{rows.UNFINISHED: "true"})
            number = number_key(row)
            if number == wanted:
                self._set_tags(version.name, str(number), {rows.UNFINISHED: "true"}, {})
                return version_of({**row, "tags": [t for t in row["tags"] if t["key"] != rows.UNFINISHED]})
            self._rest.delete("/model-versions/delete", name=version.name, version=str(number))
            if number > wanted:
                break
        raise self._taken(version, [*there, *self._rows(version.name, everything=True)])

    def _taken(self, version: ModelVersion, there: Sequence[Row]) -> PenstockError:
        return conflict(
            f"model {version.name!r} version {version.version} is registered with other content, or was deleted: "
            f"versions never change: the next free one is {max(map(number_key, there), default=0) + 1}"
        )

    def _set_tags(self, name: str, number: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        for key in before.keys() - after.keys():
            self._rest.delete("/model-versions/delete-tag", name=name, version=number, key=key)
        for key, value in after.items():
            if before.get(key) != value:
                self._rest.post("/model-versions/set-tag", name=name, version=number, key=key, value=value)


def _names(row: Row) -> set[str]:
    """What a version may be called."""
    return {str(row["version"]), tags_of(row).get(rows.VERSION, "")} - {""}


def _aliases(model: Row) -> Mapping[str, Sequence[str]]:
    """Aliases of a registered model by MLflow's version number."""
    found: dict[str, list[str]] = defaultdict(list)
    for pair in cast(Sequence[Mapping[str, Any]], model.get("aliases") or ()):
        found[str(pair["version"])].append(str(pair["alias"]))
    return found


def _shown(version: ModelVersion) -> str:
    return f"{version.version} (archived)" if version.archived else version.version
