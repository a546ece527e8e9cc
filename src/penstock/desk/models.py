"""The folder of the MLflow model that is to be served: on this machine, in MLflow, or in the platform's registry."""

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penstock.client.address import find
from penstock.client.client import Client
from penstock.domain.errors import Code, PenstockError, failed, invalid
from penstock.registry.places import LoggedModel, Registered, parse_place
from penstock.settings import Settings

_SECONDS = 1800
_DOWNLOAD = """
import sys
from mlflow.artifacts import download_artifacts
print(download_artifacts(artifact_uri=sys.argv[1], dst_path=sys.argv[2]))
"""


@dataclass(frozen=True)
class FoundModel:
    """A model's folder, and what its users call it."""

    folder: Path
    name: str
    version: str = "1"


def find_model(text: str, settings: Settings, mlflow: Callable[[], Path]) -> FoundModel:
    """The model that `text` names: a folder, `models:/...` or `runs:/...`.

    MLFLOW_TRACKING_URI says where it is looked up, else it is the platform that runs here. `mlflow` gives an
    interpreter that has MLflow. Raises `invalid`, `not_found`, or `failed`.
    """
    if text.startswith(("models:", "runs:", "azureml:")):
        return _fetched(text.removeprefix("azureml:") if "//" in text else text, settings, mlflow)
    folder = Path(text.removeprefix("file://")).expanduser().absolute()
    if not (folder / "MLmodel").is_file():
        raise invalid(f"{text} is not an MLflow model: it has no file MLmodel; for a script give --entry-script")
    return FoundModel(folder, folder.name)


def _fetched(text: str, settings: Settings, mlflow: Callable[[], Path]) -> FoundModel:
    if text.startswith("azureml:"):
        name, _, version = text.removeprefix("azureml:").partition(":")
        place = Registered(name, None if version in ("", "latest") else version)
    else:
        place = parse_place(text)
    target = settings.home / "desk" / "models" / hashlib.sha256(text.encode()).hexdigest()[:16]
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.environ.get("MLFLOW_TRACKING_URI"):
        return _of_mlflow(text, target, dict(settings.environ), mlflow)
    if isinstance(place, Registered):
        with Client() as client:
            wanted = f"@{place.alias}" if place.alias else place.version or "latest"
            found = client.models.download(place.name, wanted, target)
            return FoundModel(_model_below(target / found.name, text), found.name, found.version)
    address = find(None, None, settings)
    environ = {**settings.environ, "MLFLOW_TRACKING_URI": f"{address.url}/mlflow"}
    if address.token is not None:
        environ["MLFLOW_TRACKING_TOKEN"] = address.token
    name = place.model_id if isinstance(place, LoggedModel) else Path(place.path).name
    return _of_mlflow(text, target, environ, mlflow, name)


def _of_mlflow(
    text: str, target: Path, environ: dict[str, str], mlflow: Callable[[], Path], name: str = ""
) -> FoundModel:
    """Fetched by MLflow itself, which knows all stores."""
    command = [str(mlflow()), "-c", _DOWNLOAD, text, str(target)]
    try:
        ran = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env=environ,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise failed(f"{text} could not be fetched within {_SECONDS} s") from None
    if ran.returncode != 0:
        where = environ["MLFLOW_TRACKING_URI"]
        raise PenstockError(Code.FAILED, f"{text} cannot be fetched from {where}", {"log": ran.stderr})
    folder = Path(ran.stdout.strip().splitlines()[-1])
    place = parse_place(text)
    if isinstance(place, Registered):
        return FoundModel(_model_below(folder, text), place.name, place.version or "1")
    return FoundModel(_model_below(folder, text), name or folder.name)


def _model_below(folder: Path, text: str) -> Path:
    """The folder with the MLmodel file: `folder`, or the one that it holds."""
    for each in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        if (each / "MLmodel").is_file():
            return each
    raise invalid(f"{text} is not an MLflow model: it has no file MLmodel; download it, and serve it with a script")
