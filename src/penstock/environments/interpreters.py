"""Base interpreters of this machine: which there may be, which to prefer, and whether one really runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import get_args

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from penstock.domain.environment import PYTHON_POLICY_PROPERTY, PythonPolicy
from penstock.domain.errors import failed, invalid

OLDEST_MINOR = 9  # what the worker runs on
_NEWEST_MINOR = 40  # bound for reading ranges such as >=3.9
_PROBE_SECONDS = 10
_PROBE = (
    "import json, sys; v = sys.version_info; "
    "print(json.dumps([getattr(sys, '_base_executable', '') or sys.executable, *v[:3], sys.implementation.name]))"
)
_NAMED = re.compile(r"python3\.(\d+)\Z")
_VERSION_FOLDER = re.compile(r"(?:cpython-)?3\.(\d+)\.(\d+)(?:-.*)?\Z")


@dataclass(frozen=True, kw_only=True)
class PythonRules:
    """What to do where no interpreter of the version that is asked for is on this machine."""

    downloads: str  # auto: install one; never
    policy: str  # then: nearest, or strict


ONLY_WHAT_IS_HERE = PythonRules(downloads="never", policy="nearest")


@dataclass(frozen=True)
class Candidate:
    """An interpreter that may be there. `patch` is None where its name does not tell."""

    path: Path
    minor: int
    patch: int | None = None


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that has run. `path` is that of the base installation, never of a virtual environment."""

    path: Path
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


@dataclass(frozen=True)
class Choice:
    """The interpreter to use. `install` is a version to install first, `interpreter` then the nearest to it."""

    interpreter: Interpreter
    notices: tuple[str, ...] = ()
    install: str | None = None


def no_downloads(_version: str) -> str:
    """Refuses every download."""
    return "nothing is downloaded"


class Interpreters:
    """Finds interpreters as needed and remembers those that ran.

    `policy` is `nearest` or `strict`. `refusal` tells why a version is not to be installed, None if that may be tried.
    """

    def __init__(
        self, environ: Mapping[str, str], policy: str, refusal: Callable[[str], str | None] = no_downloads
    ) -> None:
        if policy not in get_args(PythonPolicy):
            raise invalid(f"python policy {policy!r} is not known: use nearest or strict")
        self._environ = environ
        self._policy = policy
        self._refusal = refusal
        self._probed: dict[Path, Interpreter | None] = {}
        self._lock = Lock()

    def choose(self, wanted: str | None, policy: PythonPolicy | None = None) -> Choice:
        """The interpreter for `wanted` ("3.11", "3.11.7", ">=3.10"; None: any).

        1. One of this machine that is what was asked for.
        2. Else one that may be installed.
        3. Else what the policy says: the nearest of this machine with a notice, or an error.

        Raises `invalid` if `wanted` is no version, `failed` naming what was looked for and where.
        """
        minors = wanted_minors(wanted)
        candidates = [own(), *_discovered(self._environ)]
        found = next(self._running(preferred(wanted, candidates, own().minor)), None)
        nearest = found or Interpreter(own().path, sys.version_info[:3])
        if found is not None and found.version[1] in minors:
            return Choice(found)
        version = installable(minors, own().minor)
        refusal = None if version is None else self._refusal(version)
        if version is not None and refusal is None:
            return Choice(nearest, install=version)
        if found is not None and (policy or self._policy) == "nearest":
            return Choice(found, (_notice(wanted, found, refusal),))
        raise failed(_nothing_found(wanted, self._environ, candidates, refusal))

    def _running(self, candidates: Iterable[Candidate]) -> Iterator[Interpreter]:
        """Those that run and are what their names promise."""
        for candidate in candidates:
            interpreter = self.probe(candidate)
            if interpreter is not None and interpreter.version[1] == candidate.minor:
                yield interpreter

    def probe(self, candidate: Candidate) -> Interpreter | None:
        """The candidate as it says of itself when run, once; None if it does not run or is not CPython."""
        if candidate == own():
            version = sys.version_info
            return Interpreter(candidate.path, (version.major, version.minor, version.micro))
        path = candidate.path
        with self._lock:
            if path not in self._probed or not path.exists():
                self._probed[path] = _run(path, self._environ)
            return self._probed[path]


def own() -> Candidate:
    """The platform's own interpreter (of the installation below its virtual environment)."""
    version = sys.version_info
    path = Path(sys.base_prefix) / "bin" / f"python3.{version.minor}"
    return Candidate(path if path.exists() else Path(sys.executable), version.minor, version.micro)


def wanted_minors(wanted: str | None) -> frozenset[int]:
    """The N for which some Python 3.N is what `wanted` asks for. Raises `invalid` if it cannot be understood."""
    exact = re.match(r"3\.(\d+)(\.\d+)?(\.\*)?\Z", wanted or "")
    if exact:
        return frozenset({int(exact[1])})
    try:
        bounds = SpecifierSet("" if wanted is None else wanted if wanted[:1] in "<>=!~" else f"=={wanted}.*")
    except InvalidSpecifier:
        raise invalid(f"python version {wanted!r} is not understood: write 3.11 or >=3.10") from None
    # A bound such as >3.9.5 or <3.9.5 lets in some patches of 3.9: 0 and 99 stand for the first and the last.
    return frozenset(n for n in range(_NEWEST_MINOR) if any(bounds.contains(f"3.{n}.{p}") for p in (*range(30), 99)))


def installable(minors: frozenset[int], own_minor: int) -> str | None:
    """The version to install where one of `minors` is asked for: the nearest to the platform's own, of two the newer.

    None if the worker runs on none of them.
    """
    fitting = [minor for minor in minors if minor >= OLDEST_MINOR]
    return f"3.{min(fitting, key=lambda minor: (abs(minor - own_minor), -minor))}" if fitting else None


def preferred(wanted: str | None, candidates: Sequence[Candidate], own_minor: int) -> list[Candidate]:
    """`candidates` that the worker runs on, best first, each path once.

    1. The minor version that was asked for, else the nearest to it; of two equally near ones the newer.
    2. Where several will do, the platform's own, then the nearest to it.
    3. The very patch that was asked for, then the order of `candidates`.
    """
    minors = wanted_minors(wanted) or frozenset({own_minor})
    patch = re.match(r"3\.\d+\.(\d+)\Z", wanted or "")

    def rank(candidate: Candidate) -> tuple[int, int, int, bool]:
        distance = min(abs(candidate.minor - minor) for minor in minors)
        other_patch = patch is not None and candidate.patch != int(patch[1])
        near_own = abs(candidate.minor - own_minor) if distance == 0 else 0
        return distance, near_own, -candidate.minor, other_patch

    unique = {c.path: c for c in reversed(candidates) if c.minor >= OLDEST_MINOR}
    return sorted(reversed(unique.values()), key=rank)


def _discovered(environ: Mapping[str, str]) -> Iterator[Candidate]:
    """Interpreters that names of files promise. Nothing is run: a version manager's stand-ins may not work."""
    for folder in _version_folders(environ):
        for version in _names(folder):
            match = _VERSION_FOLDER.match(version)
            path = folder / version / "bin" / "python3"
            if match and path.exists():
                yield Candidate(path, int(match[1]), int(match[2]))
    for part in environ.get("PATH", "").split(os.pathsep):
        for name in _names(Path(part)) if part else ():
            match = _NAMED.match(name)
            if match and os.access(Path(part) / name, os.X_OK):
                yield Candidate(Path(part) / name, int(match[1]))


def _version_folders(environ: Mapping[str, str]) -> list[Path]:
    """Where pyenv and uv keep their interpreters."""
    home = Path(environ.get("HOME") or "/nonexistent")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return [
        Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions",
        Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"),
    ]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _run(path: Path, environ: Mapping[str, str]) -> Interpreter | None:
    """The interpreter if it runs and is CPython."""
    argv = [path, "-I", "-S", "-c", _PROBE]
    try:
        done = subprocess.run(
            argv, env=dict(environ), capture_output=True, timeout=_PROBE_SECONDS, check=True, text=True
        )
        executable, *version, implementation = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(Path(executable), (version[0], version[1], version[2])) if implementation == "cpython" else None


def _notice(wanted: str | None, interpreter: Interpreter, refusal: str | None) -> str:
    why = "" if refusal is None else f" ({refusal})"
    return f"python {wanted} was asked for; {interpreter} is the nearest on this machine{why}"


def _nothing_found(
    wanted: str | None, environ: Mapping[str, str], candidates: Iterable[Candidate], refusal: str | None
) -> str:
    there = sorted({candidate.minor for candidate in candidates})
    places = ", ".join([*map(str, _version_folders(environ)), *filter(None, environ.get("PATH", "").split(os.pathsep))])
    why = "" if refusal is None else f", and it was not installed ({refusal})"
    return (
        f"python {wanted or '3'} (3.{OLDEST_MINOR} or newer) was not found in {places}{why}; "
        f"there are {', '.join(f'3.{minor}' for minor in there)}: "
        "install it, or allow the nearest one with PENSTOCK_PYTHON_POLICY=nearest, or for one environment with its "
        f"property {PYTHON_POLICY_PROPERTY}"
    )
