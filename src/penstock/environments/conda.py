"""Conda files: Python's version, the pip section, and the packages that pip has too; others are refused by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from penstock.domain.environment import Requirements
from penstock.domain.errors import invalid
from penstock.environments.conda_names import pip_name, pip_version
from penstock.environments.lines import package_name, read_lines

# [channel::]name[version][=build], where the version may also follow after a blank.
_MATCH = re.compile(r"(?:[^\s:]+::)?([A-Za-z0-9][-._A-Za-z0-9]*)\s*(.*)\Z")
_EXACT = re.compile(r"={0,2}\s*(\d+(?:\.\d+)*)(?:\.?\*)?(?:\s*=\s*[^=\s,]+|\s+\S+)?\Z")
_BOUND = re.compile(r"(>=|<=|==|!=|~=|>|<)\s*\d+(\.\d+)*(\.\*)?\Z")


def read_conda(conda: Mapping[str, Any], where: str) -> Requirements:
    """What a conda file (as YAML gives it) comes to. `where` names it in messages, e.g. "conda_file".

    Conda packages that are known to be the same project in pip's index are taken from there, with a notice; what the
    pip section says of a package wins, as it does with conda. Raises `invalid` naming every other conda package but
    Python and pip, and every pip line that cannot work.
    """
    parts = _parts(conda, where)
    if parts.others:
        raise invalid(
            f"{where}: conda is not available here, so these conda packages cannot be installed: "
            f"{', '.join(parts.others)}; move those that pip has to the pip section "
            f"({', '.join(parts.others.values())}), and leave the others out or use an image that has them"
        )
    asked = {name for line in parts.pip if (name := package_name(line)) is not None}
    taken = {written: line for written, line in parts.taken.items() if package_name(line) not in asked}
    requirements = read_lines((*taken.values(), *parts.pip), f"{where}, pip section")
    notices = (*([_taken(where, taken)] if taken else []), *requirements.notices)
    return requirements.model_copy(update={"python": parts.python, "notices": notices})


@dataclass
class _Parts:
    python: str | None = None
    pip: list[str] = field(default_factory=list[str])
    taken: dict[str, str] = field(default_factory=dict[str, str])  # conda packages, and their lines for pip
    others: dict[str, str] = field(default_factory=dict[str, str])  # those that are not known, likewise


def _parts(conda: Mapping[str, Any], where: str) -> _Parts:
    parts = _Parts()
    for dependency in _sequence(conda.get("dependencies"), f"{where}: dependencies"):
        if isinstance(dependency, Mapping):
            parts.pip += _pip_section(cast(Mapping[str, Any], dependency), where)
            continue
        match = _MATCH.match(str(dependency).strip())
        if match is None:
            raise invalid(f"{where}: {dependency!r} is not a conda package")
        if match[1].lower() == "python":
            parts.python = _python(match[2].strip(), where)
        elif match[1].lower() != "pip":
            _sort(parts, str(dependency).strip(), match[1], match[2].strip())
    return parts


def _sort(parts: _Parts, written: str, name: str, version: str) -> None:
    known, translated = pip_name(name), pip_version(version)
    line = f"{known or name}{version if translated is None else translated}"
    if known is None or translated is None or package_name(line) is None:
        parts.others[written] = line
    else:
        parts.taken[written] = line


def _taken(where: str, taken: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{written} as {line}" for written, line in taken.items())
    return f"{where}: conda packages are taken from pip's package index: {pairs}"


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
