"""The map from Azure's curated environments to requirements: a file in the home folder that users may edit."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import yaml

from penstock import durable
from penstock.domain.environment import Requirements
from penstock.domain.errors import invalid
from penstock.domain.fields import parse
from penstock.domain.resource import Frozen
from penstock.environments.lines import read_lines

_SHIPPED = Path(__file__).with_name("curated.yml")
_REGISTRY = "azureml://registries/"


class CuratedEntry(Frozen):
    """What one name, or all names that fit a pattern, come to."""

    python: str | None = None
    packages: tuple[str, ...] = ()


CuratedMap = Mapping[str, CuratedEntry]


def curated_requirements(file: Path, name: str) -> Requirements | None:
    """What the curated name or image `name` comes to, or None if neither `file` nor the shipped map has it.

    `file` is made from the shipped map if it is not there. Raises `invalid` if it cannot be read.
    """
    _create(file)
    for source in (file, _SHIPPED):
        pattern, entry = _match(load(source), name)
        if entry is not None:
            where = f"{file.name}, entry {pattern!r}"
            return read_lines(entry.packages, where).model_copy(update={"python": entry.python})
    return None


def load(file: Path) -> CuratedMap:
    """The map in `file`. Raises `invalid` naming the file and what is wrong in it."""
    try:
        content: object = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise invalid(f"{file} is not YAML: {err}; correct it, or remove it to get the shipped one back") from err
    if content is not None and not isinstance(content, Mapping):
        raise invalid(f"{file}: expected names with python and packages; correct it, or remove it")
    entries = cast(Mapping[object, Any], content or {})
    return {str(pattern): parse(CuratedEntry, entry, f"{file}, entry {pattern}") for pattern, entry in entries.items()}


def short_name(name: str) -> str:
    """What names are compared by: `sklearn-1.5` for the registry's URI, an asset reference or an image of that name."""
    if name.startswith(_REGISTRY):
        parts = name.removeprefix(_REGISTRY).split("/")
        short = parts[2] if len(parts) > 2 and parts[1] == "environments" else ""
    else:
        last = name.removeprefix("azureml:").partition("@")[0].rsplit("/", 1)[-1]
        short = last.partition(":")[0]
    return short.lower().removeprefix("azureml-")


def _match(entries: CuratedMap, name: str) -> tuple[str, CuratedEntry | None]:
    short = short_name(name)
    for pattern, entry in entries.items():
        if short and fnmatchcase(short, pattern.lower().removeprefix("azureml-")):
            return pattern, entry
    return "", None


def _create(file: Path) -> None:
    """Copy the shipped map to `file`; if two do it at once, one wins."""
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable.replace(file, _SHIPPED.read_bytes())
