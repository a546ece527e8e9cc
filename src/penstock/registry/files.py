"""Models' files in the artifact store of an MLflow server: put there as logged models, listed and read."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from penstock.domain.artifact import MAX_FILES
from penstock.domain.errors import Code, PenstockError, failed, invalid, not_found
from penstock.domain.model import DataUse, Lineage, ModelType, ModelVersion
from penstock.registry.base import Content, Source, StoredFile
from penstock.registry.places import LoggedModel, RunOutput
from penstock.registry.rest import MlflowRest

Info = Mapping[str, Any]  # an object as MLflow's REST interface gives it

_EXPERIMENT = "penstock-models"  # of the models that were uploaded
_DIGEST, _NAME = "penstock.digest", "penstock.name"
_READY = "LOGGED_MODEL_READY"
_SCHEME = "mlflow-artifacts:"
_COMMIT = "mlflow.source.git.commit"
_DEEPEST = 32  # folders
_REFUSED = re.compile(r"""[/:.%"']""")  # what MLflow does not take in a logged model's name


class MlflowFiles:
    """See `ModelFiles`."""

    def __init__(self, rest: MlflowRest) -> None:
        self._rest = rest
        self._storing = threading.Lock()

    def store(self, digest: str, name: str, content: Content) -> Source:
        with self._storing:
            experiment = self._experiment()
            model_id = self._logged(experiment, digest) or self._log(experiment, digest, name, content)
        type_ = ModelType.MLFLOW if "MLmodel" in content else ModelType.CUSTOM
        return Source(uri=f"models:/{model_id}", model_id=model_id, type=type_)

    def locate(self, place: RunOutput | LoggedModel) -> Source:
        if isinstance(place, LoggedModel):
            return self._of_logged(self._logged_model(place.model_id))
        run = self._run(place.run)
        folder = f"{_place(str(run['info']['artifact_uri']), f'run {place.run}')}/{place.path}"
        found = {str(file["path"]) for file in self._rest.list_artifacts(folder)}
        if found or self._is_file(folder):
            type_ = ModelType.MLFLOW if "MLmodel" in found else ModelType.CUSTOM
            return Source(uri=f"{_SCHEME}/{folder}", run=place.run, type=type_, lineage=_lineage(run))
        for output in reversed(cast(Sequence[Info], run.get("outputs", {}).get("model_outputs", ()))):
            info = self._logged_model(str(output["model_id"]))
            if info.get("name") == place.path:
                return self._of_logged(info)
        raise not_found(f"run {place.run!r} has logged no model or artifact {place.path!r}; see its page under /mlflow")

    def lineage(self, run: str) -> Lineage:
        try:
            return _lineage(self._run(run))
        except PenstockError as err:
            if err.code is not Code.NOT_FOUND:
                raise
            return Lineage(job=run)

    def files(self, version: ModelVersion) -> Sequence[StoredFile]:
        what = f"model {version.name}:{version.version}"
        number = version.uri.rpartition("/")[2]
        answer = self._rest.get("/model-versions/get-download-uri", name=version.name, version=number)
        root = _place(str(answer["artifact_uri"]), what)
        found = list(self._walk(root, "", 0))
        last = root.rpartition("/")[2]
        if not found and self._is_file(root):
            size = next(int(f["file_size"]) for f in self._siblings(root) if f["path"] == last)
            return [StoredFile(path=last, size=size, place=root)]
        if not found:
            raise not_found(f"the files of {what} are gone from the registry's store at {root!r}")
        folder = self._folder(root, last)
        if len(found) == 1 and found[0].path == folder:  # a model that is one file
            return found
        return [file.model_copy(update={"path": f"{folder}/{file.path}"}) for file in found]

    def read(self, file: StoredFile) -> Iterator[bytes]:
        return self._rest.read_artifact(file.place)

    def _experiment(self) -> str:
        try:
            self._rest.post("/experiments/create", name=_EXPERIMENT)
        except PenstockError as err:
            if err.code is not Code.CONFLICT:
                raise
        found = self._rest.get("/experiments/get-by-name", experiment_name=_EXPERIMENT)
        return str(found["experiment"]["experiment_id"])

    def _logged(self, experiment: str, digest: str) -> str | None:
        """The model that has this content already, if it was stored to the end."""
        found = self._rest.post(
            "/logged-models/search",
            experiment_ids=[experiment],
            filter=f"tags.`{_DIGEST}` = '{digest}'",
            max_results=50,
        )
        infos = [cast(Info, model["info"]) for model in cast(Sequence[Info], found.get("models", ()))]
        return next((str(info["model_id"]) for info in infos if info.get("status") == _READY), None)

    def _log(self, experiment: str, digest: str, name: str, content: Content) -> str:
        tags = [{"key": _DIGEST, "value": digest}, {"key": _NAME, "value": name}]
        taken = _REFUSED.sub("-", name)
        made = self._rest.post("/logged-models", experiment_id=experiment, name=taken, tags=tags)
        info = cast(Info, made["model"]["info"])
        model_id, folder = str(info["model_id"]), _place(str(info["artifact_uri"]), f"model {name!r}")
        for path, file in content.items():
            self._rest.write_artifact(f"{folder}/{path}", file.chunks(), file.size)
        stored = {file.path: file.size for file in self._walk(folder, "", 0)}
        if stored != {path: file.size for path, file in content.items()}:
            raise failed(f"the files of model {name!r} did not arrive whole in the registry's store: register it again")
        self._rest.patch(f"/logged-models/{model_id}", model_id=model_id, status=_READY)
        return model_id

    def _logged_model(self, model_id: str) -> Info:
        return cast(Info, self._rest.get(f"/logged-models/{model_id}")["model"]["info"])

    def _of_logged(self, info: Info) -> Source:
        model_id, run = str(info["model_id"]), str(info.get("source_run_id") or "")
        found = self._rest.list_artifacts(_place(str(info["artifact_uri"]), f"model {model_id}"))
        type_ = ModelType.MLFLOW if any(f["path"] == "MLmodel" for f in found) else ModelType.CUSTOM
        lineage = self.lineage(run) if run else Lineage()
        return Source(uri=f"models:/{model_id}", model_id=model_id, run=run or None, type=type_, lineage=lineage)

    def _run(self, run: str) -> dict[str, Any]:
        return cast(dict[str, Any], self._rest.get("/runs/get", run_id=run)["run"])

    def _walk(self, root: str, below: str, depth: int) -> Iterator[StoredFile]:
        if depth > _DEEPEST:
            raise failed(f"{root!r} in the registry's store is nested deeper than {_DEEPEST} folders")
        for count, file in enumerate(self._rest.list_artifacts(f"{root}/{below}".rstrip("/"))):
            if count >= MAX_FILES:
                raise invalid(f"{root!r} in the registry's store has more than {MAX_FILES:,} files")
            path = f"{below}/{file['path']}".lstrip("/")
            if file.get("is_dir"):
                yield from self._walk(root, path, depth + 1)
            else:
                yield StoredFile(path=path, size=int(file.get("file_size") or 0), place=f"{root}/{path}")

    def _is_file(self, place: str) -> bool:
        last = place.rpartition("/")[2]
        return any(f["path"] == last and not f.get("is_dir") for f in self._siblings(place))

    def _siblings(self, place: str) -> Sequence[Info]:
        return self._rest.list_artifacts(place.rpartition("/")[0])

    def _folder(self, root: str, last: str) -> str:
        """Name of the model's folder: what it was logged as; for logged models their folder tells only their id."""
        parts = root.split("/")
        if last == "artifacts" and len(parts) > 1 and parts[-2].startswith("m-"):
            info = self._logged_model(parts[-2])
            tags = {str(tag["key"]): str(tag["value"]) for tag in cast(Sequence[Info], info.get("tags") or ())}
            return tags.get(_NAME) or str(info.get("name") or "model")
        return last


def _place(uri: str, what: str) -> str:
    """Path in the server's artifact store."""
    if not uri.startswith(_SCHEME):
        raise failed(
            f"the files of {what} lie at {uri.partition('?')[0]!r}, which the registry's server does not serve: "
            "register them from there with a path of their own"
        )
    rest = uri.removeprefix(_SCHEME)
    return rest.partition("/")[2] if not rest.startswith("//") else rest.removeprefix("//").partition("/")[2]


def _lineage(run: Mapping[str, Any]) -> Lineage:
    tags = {str(tag["key"]): str(tag["value"]) for tag in run.get("data", {}).get("tags", ())}
    inputs = cast(Sequence[Info], run.get("inputs", {}).get("dataset_inputs", ()))
    sets = [cast(Info, entry.get("dataset", {})) for entry in inputs]
    data = tuple(DataUse(name=str(s.get("name", "")), digest=str(s.get("digest") or "") or None) for s in sets)
    return Lineage(job=str(run["info"]["run_id"]), git_commit=tags.get(_COMMIT), data=data)
