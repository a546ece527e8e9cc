"""What kind of model a folder holds, told from its files. Pure."""

import re
from collections.abc import Mapping
from typing import Any, cast

import yaml

from penstock.domain.artifact import Tree
from penstock.domain.model import ModelType

# A Triton repository, or one model of it: MODEL/config.pbtxt beside numbered folders (Triton, model repository page).
_TRITON = re.compile(r"(?:[^/]+/)?(?:[^/]+/)?(?:config\.pbtxt|\d+/model\.[a-z_]+)")


def type_of(tree: Tree, folder: str) -> ModelType:
    """The type of the model at `folder`, the name at the top of `tree`."""
    inside = [entry.path.removeprefix(f"{folder}/") for entry in tree.entries]
    if "MLmodel" in inside:
        return ModelType.MLFLOW
    if any(_TRITON.fullmatch(path) for path in inside):
        return ModelType.TRITON
    return ModelType.CUSTOM


def flavors_of(mlmodel: bytes) -> dict[str, Any]:
    """The flavors of an MLmodel file, every value as text; none if the file cannot be read."""
    try:
        fields: object = yaml.load(mlmodel, Loader=yaml.BaseLoader)  # noqa: S506 - makes text, lists and mappings only
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        return {}
    found = cast(Mapping[str, Any], fields).get("flavors") if isinstance(fields, Mapping) else None
    return dict(cast(Mapping[str, Any], found)) if isinstance(found, Mapping) else {}
