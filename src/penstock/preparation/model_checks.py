"""What can be said of an MLflow model's folder without running anything: its MLmodel, signature and input example.

Pure: the folder is the paths of its files and a function that reads one of them.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import normpath
from typing import Any, cast

import yaml

from penstock.preparation.signatures import Column, columns_of, described, disagreements

Reader = Callable[[str], bytes | None]  # a file of the model's folder by its path; None if there is none

_PATHS = ("data", "model_path", "python_model", "code")  # fields of the python_function flavor that name files
_NULLS = ("", "null", "~")  # as the loader that keeps all scalars as text spells them
_LONGEST_EXAMPLE = 1024 * 1024  # bytes; a longer one is not looked into


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What the folder says of itself, for people.

    `notices` are sentences about what is not as it should be, and need not keep the model from being served.
    `signature` is empty where the model has none.
    """

    notices: tuple[str, ...] = ()
    made_with: str = ""
    signature: str = ""


def model_faults(files: Collection[str], read: Reader) -> tuple[str, ...]:
    """What keeps the MLflow model from being served, one sentence each; empty if nothing is seen to.

    `files` are the paths of all files in the model's folder, relative to it.
    """
    fields = _mlmodel(read)
    if isinstance(fields, str):
        return (fields,)
    columns = columns_of(fields.get("signature"))
    return (*_flavor_faults(fields, files), *([columns] if isinstance(columns, str) else []))


def model_facts(read: Reader) -> ModelFacts:
    """What the folder of an MLflow model without faults says of itself."""
    fields = _mlmodel(read)
    columns = () if isinstance(fields, str) else columns_of(fields.get("signature"))
    if isinstance(fields, str) or isinstance(columns, str):
        return ModelFacts()
    return ModelFacts(
        notices=tuple(_example_notices(_mapping(fields.get("saved_input_example_info")), columns, read)),
        made_with=_made_with(fields),
        signature=described(columns),
    )


def _mlmodel(read: Reader) -> Mapping[str, Any] | str:
    """The fields of the MLmodel file, or what is wrong with it."""
    content = read("MLmodel")
    if content is None:
        return "there is no MLmodel file at the top of the model's folder"
    try:
        # Every scalar stays text: `3.10` is no number, and this loader makes no objects.
        fields = yaml.load(content.decode("utf-8-sig"), Loader=yaml.BaseLoader)  # noqa: S506
    except UnicodeDecodeError:
        return "the MLmodel file is not UTF-8 text"
    except (yaml.YAMLError, RecursionError) as err:
        return f"the MLmodel file is not YAML: {' '.join(str(err).split())}"
    return cast(Mapping[str, Any], fields) if isinstance(fields, Mapping) else "the MLmodel file is not a mapping"


def _flavor_faults(fields: Mapping[str, Any], files: Collection[str]) -> Iterator[str]:
    flavors = _mapping(fields.get("flavors"))
    flavor = _mapping(flavors.get("python_function"))
    if not flavor:
        names = ", ".join(sorted(flavors)) or "none"
        yield f"the MLmodel file has no python_function flavor (it has: {names}): give a scoring script"
        return
    if _text(flavor.get("loader_module")) is None:
        yield "the MLmodel file names no loader_module in its python_function flavor"
    named = {name: _text(flavor.get(name)) for name in _PATHS}
    for name, artifact in _mapping(flavor.get("artifacts")).items():
        named[f"artifacts.{name}"] = _text(_mapping(artifact).get("path"))
    for name, path in named.items():
        if path is not None and not _is_there(path, files):
            yield f"the MLmodel file names {name} {path!r}, which is not in the model's folder"


def _is_there(path: str, files: Collection[str]) -> bool:
    """True for a file or folder within the model's; models made on Windows may have backslashes."""
    plain = normpath(path.replace("\\", "/"))
    return plain == "." or plain in files or any(file.startswith(f"{plain}/") for file in files)


def _example_notices(info: Mapping[str, Any], columns: Sequence[Column], read: Reader) -> Iterator[str]:
    """What is wrong with the input example that the MLmodel file describes by `info`."""
    path = _text(info.get("artifact_path"))
    if path is None:
        return
    content = read(normpath(path))
    if content is None:
        yield f"the MLmodel file names the input example {path!r}, which is not in the model's folder"
    elif len(content) <= _LONGEST_EXAMPLE:
        try:
            example = json.loads(content)
        except (ValueError, RecursionError) as err:
            yield f"the input example {path} is not JSON: {err}"
            return
        wrapped = _text(info.get("params")) is not None or info.get("format") == "tf-serving"
        yield from disagreements(columns, _mapping(example).get("inputs") if wrapped else example)


def _made_with(fields: Mapping[str, Any]) -> str:
    """`sklearn, made with MLflow 3.1.0 and Python 3.11.7`."""
    flavors = _mapping(fields.get("flavors"))
    names = [name for name in sorted(flavors) if name != "python_function"] or sorted(flavors)
    version = _text(fields.get("mlflow_version"))
    python = _text(_mapping(flavors.get("python_function")).get("python_version"))
    tools = [f"{name} {number}" for name, number in (("MLflow", version), ("Python", python)) if number]
    return ", ".join(names) + (f", made with {' and '.join(tools)}" if tools else "")


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value not in _NULLS else None
