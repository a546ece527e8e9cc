"""What `penstock environment doctor -f` is given: whatever says which packages a model needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from penstock.cli.documents import Document, DocumentKind, read_bytes, recognised
from penstock.cli.sources import inlined, is_local
from penstock.cli.yaml_text import read_documents
from penstock.domain.deployment import OnlineDeployment
from penstock.domain.environment import Environment
from penstock.domain.errors import invalid
from penstock.domain.examination import Patient
from penstock.domain.fields import parse
from penstock.domain.model import Model

_YAML = (".yml", ".yaml")
_OF_MODEL = (".yml", ".yaml", ".txt")  # files that say what an MLflow model needs, beside its MLmodel
_MOST_FILES = 50


def read_patient(path: Path) -> Patient:
    """What is to be examined. Raises `invalid` for a file or folder that does not say what to install."""
    if path.is_dir() or path.name == "MLmodel":
        return Patient(model_files=_model_files(path if path.is_dir() else path.parent))
    if path.suffix.lower() not in _YAML:
        return _environment({"requirements": str(path.absolute())}, path)
    documents = read_documents(read_bytes(path, "file"), str(path))
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise invalid(f"{path} does not hold one YAML mapping")
    fields = cast(dict[str, Any], documents[0])
    if "$schema" in fields or not {"dependencies", "build_dependencies"} & fields.keys():
        return _asset(fields, path)
    if "build_dependencies" not in fields:
        return _environment({"conda_file": fields}, path)
    if (path.parent / "MLmodel").is_file():  # its python_env.yaml
        return Patient(model_files=_model_files(path.parent))
    raise invalid(f"{path} belongs to an MLflow model: give the model's folder")


def _asset(fields: Mapping[str, Any], path: Path) -> Patient:
    kind = recognised(fields, str(path))
    if kind is DocumentKind.ENVIRONMENT:
        return _environment(fields, path)
    if kind is not DocumentKind.DEPLOYMENT:
        raise invalid(f"{path} holds an {kind}: give an environment, a deployment or a model's folder")
    document = inlined(Document(kind=kind, fields=fields, source=str(path), folder=path.parent))
    deployment = parse(OnlineDeployment, document.fields, document.source)
    named = deployment.model.path if isinstance(deployment.model, Model) else deployment.model
    if named is None or not is_local(named):
        return Patient(environment=deployment.environment, model=named)
    folder = Path(named.removeprefix("file:"))
    files = _model_files(folder) if (folder / "MLmodel").is_file() else {}
    return Patient(environment=deployment.environment, model_files=files)


def _environment(fields: Mapping[str, Any], path: Path) -> Patient:
    document = inlined(
        Document(kind=DocumentKind.ENVIRONMENT, fields=fields, source=str(path), folder=path.absolute().parent)
    )
    return Patient(environment=parse(Environment, document.fields, document.source))


def _model_files(folder: Path) -> dict[str, str]:
    """The small files of an MLflow model that say what it is and what it needs."""
    if not (folder / "MLmodel").is_file():
        raise invalid(f"{folder} has no MLmodel file, so it is no MLflow model: give a file that lists packages")
    found = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in _OF_MODEL and file.is_file()]
    return {file.name: _text(file) for file in (folder / "MLmodel", *found[:_MOST_FILES])}


def _text(file: Path) -> str:
    try:
        return read_bytes(file, "file").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise invalid(f"{file} is not UTF-8 text") from None
