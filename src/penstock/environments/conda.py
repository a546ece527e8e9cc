"""Conda files: Python's version and the pip section are taken, other packages are refused by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from penstock.domain.environment import Requirements
from penstock.domain.errors import invalid
from penstock.environments.lines import read_lines

# [channel::]name[version][=build], where the version may also follow after a blank.
_MATCH = re.compile(r"(?:[^\s:]+::)?([A-Za-z0-9][-._A-Za-z0-9]*)\s*(.*)\Z")
_EXACT = re.compile(r"={0,2}\s*(\d+(?:\.\d+)*)(?:\.?\*)?(?:\s*=\s*[^=\s,]+|\s+\S+)?\Z")
_BOUND = re.compile(r"(>=|<=|==|!=|~=|>|<)\s*\d+(\.\d+)*(\.\*)?\Z")


def read_conda(conda: Mapping[str, Any], where: str) -> Requirements:
    """What a conda file (as YAML gives it) comes to. `where` names it in messages, e.g. "conda_file".

    Raises `invalid` naming every conda package that is not Python or pip, and every pip line that cannot work.
    """
    parts = _parts(conda, where)
    if parts.others:
        raise invalid(
            f"{where}: conda is not available here, so these conda packages cannot be installed: "
            f"{', '.join(parts.others)}; move them to the pip section: {', '.join(parts.others.values())}"
        )
    requirements = read_lines(parts.pip, f"{where}, pip section")
    return requirements.model_copy(update={"python": parts.python})


@dataclass
class _Parts:
    python: str | None = None
    pip: list[str] = field(default_factory=list[str])
    others: dict[str, str] = field(default_factory=dict[str, str])  # and the line that asks pip for the same


def _parts(conda: Mapping[str, Any], where: str) -> _Parts:
    parts = _Parts()
    for dependency in _sequence(conda.get("dependencies"), f"{where}: dependencies"):
        if isinstance(dependency, Mapping):
            parts.pip += _pip_section(cast(Mapping[str, Any], dependency), where)
            continue
        match = _MATCH.match(str(dependency).strip())
        if match is None:
            raise invalid(f"{where}: {dependency!r} is not a conda package")
        name, version = match[1].lower(), match[2].strip()
        if name == "python":
            parts.python = _python(version, where)
        elif name != "pip":
            parts.others[str(dependency).strip()] = _as_pip(match[1], version)
    return parts


def _pip_section(section: Mapping[str, Any], where: str) -> list[str]:
    if set(section) != {"pip"}:
        raise invalid(f"{where}: expected a list of packages under 'pip', found {', '.join(map(repr, section))}")
    return [str(line) for line in _sequence(section["pip"], f"{where}: pip section")]


def _sequence(value: object, where: str) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise invalid(f"{where}: expected a list, got {type(value).__name__}")
    return cast(Sequence[Any], value)


def _python(version: str, where: str) -> str | None:
    """`3.10` for `=3.10`, `==3.10.*` and the like; bounds such as `>=3.9,<3.12` as they are; None for no version."""
    if version in ("", "*"):
        return None
    exact = _EXACT.match(version)
    if exact:
        return exact[1]
    bounds = [bound.strip() for bound in version.split(",")]
    if not all(_BOUND.match(bound) for bound in bounds):
        raise invalid(f"{where}: python version {version!r} is not understood: write python=3.11 or python>=3.10")
    return ",".join(bounds)


def _as_pip(name: str, version: str) -> str:
    exact = _EXACT.match(version)
    return f"{name}=={exact[1]}" if exact else f"{name}{version}"
