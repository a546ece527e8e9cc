"""The environment that an MLflow model was saved with, read from the model's own files."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import yaml

from penstock.domain.environment import Requirements
from penstock.domain.errors import invalid
from penstock.environments.conda import read_conda
from penstock.environments.lines import read_lines

Reader = Callable[[str], bytes | None]  # a file of the model's folder by its path; None if there is none


def requirements_of(read: Reader) -> Requirements:
    """Requirements of the MLflow model whose files `read` gives.

    Looks where the MLmodel file points (python_env.yaml before conda.yaml), then for requirements.txt. Raises
    `invalid` if it is no MLflow model, names no environment, or a file of it cannot be read.
    """
    flavor = _pyfunc(read)
    virtualenv, conda = _files(flavor.get("env"))
    python = str(flavor["python_version"]) if flavor.get("python_version") else None
    for name, reader in ((virtualenv, _read_python_env), (conda, _read_conda), ("requirements.txt", _read_pip)):
        found = reader(read, name) if name else None
        if found is not None:
            return found if found.python else found.model_copy(update={"python": python})
    raise invalid(
        "the MLflow model names no environment that is in its folder (python_env.yaml, conda.yaml, requirements.txt): "
        "log it with pip_requirements, or give the deployment an environment"
    )


def mlmodel_of(read: Reader) -> Mapping[str, Any] | None:
    """What the MLmodel file says, every scalar as text; None if there is none. Raises `invalid` if it is no YAML."""
    return _mapping(read, "MLmodel")


def _pyfunc(read: Reader) -> Mapping[str, Any]:
    model = mlmodel_of(read)
    if model is None:
        raise invalid("the model has no MLmodel file, so it is not an MLflow model: give a scoring script")
    flavors = model.get("flavors")
    flavor = cast(Mapping[str, Any], flavors).get("python_function") if isinstance(flavors, Mapping) else None
    if not isinstance(flavor, Mapping):
        raise invalid("the MLmodel file has no python_function flavor: give a scoring script and an environment")
    return cast(Mapping[str, Any], flavor)


def _files(env: object) -> tuple[str | None, str | None]:
    """Names of the virtualenv and the conda file; MLflow before 2.0 knew the conda file alone."""
    if isinstance(env, Mapping):
        names = cast(Mapping[str, Any], env)
        return _text(names.get("virtualenv")), _text(names.get("conda"))
    return "python_env.yaml", _text(env) or "conda.yaml"


def _read_python_env(read: Reader, name: str) -> Requirements | None:
    fields = _mapping(read, name)
    if fields is None:
        return None
    lines: list[str] = []
    for item in _list(fields.get("dependencies"), name):
        lines += _included(read, item, name) if item.startswith("-r") else [item]
    python = fields.get("python")
    return read_lines(lines, name).model_copy(update={"python": str(python) if python else None})


def _included(read: Reader, item: str, name: str) -> list[str]:
    path = item.removeprefix("-r").strip().removeprefix("./")
    text = read(path)
    if text is None:
        raise invalid(f"{name} names {path!r}, which is not in the model's folder")
    return _decoded(text, path).splitlines()


def _read_conda(read: Reader, name: str) -> Requirements | None:
    fields = _mapping(read, name)
    return None if fields is None else read_conda(fields, name)


def _read_pip(read: Reader, name: str) -> Requirements | None:
    text = read(name)
    return None if text is None else read_lines(_decoded(text, name).splitlines(), name)


def _mapping(read: Reader, name: str) -> Mapping[str, Any] | None:
    content = read(name)
    if content is None:
        return None
    try:
        # Every scalar as text, so that `python: 3.10` is not the number 3.1; this loader makes no objects either.
        fields = yaml.load(_decoded(content, name), Loader=yaml.BaseLoader)  # noqa: S506
    except yaml.YAMLError as err:
        raise invalid(f"the model's file {name} is not YAML: {err}") from err
    if not isinstance(fields, Mapping):
        raise invalid(f"the model's file {name} is not a mapping")
    return cast(Mapping[str, Any], fields)


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise invalid(f"the model's file {name} is not UTF-8 text") from err


def _list(value: object, name: str) -> Sequence[str]:
    if not isinstance(value, (list, type(None))):
        raise invalid(f"the model's file {name}: dependencies are not a list")
    return [str(item).strip() for item in cast(Sequence[Any], value or ())]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
