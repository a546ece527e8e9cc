"""Base interpreters of this machine: which there may be, which to prefer, and whether one really runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from packaging.specifiers import InvalidSpecifier, SpecifierSet

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
    interpreter: Interpreter
    notices: tuple[str, ...] = ()


class Interpreters:
    """Finds interpreters as needed and remembers those that ran. `policy` is `nearest` or `strict`."""

    def __init__(self, environ: Mapping[str, str], policy: str) -> None:
        if policy not in ("nearest", "strict"):
            raise invalid(f"python policy {policy!r} is not known: use nearest or strict")
        self._environ = environ
        self._policy = policy
        self._probed: dict[Path, Interpreter | None] = {}
        self._lock = Lock()

    def choose(self, wanted: str | None) -> Choice:
        """The interpreter for `wanted` ("3.11", "3.11.7", ">=3.10"; None: any).

        Raises `invalid` if `wanted` is no version, `failed` naming what was looked for and where.
        """
        minors = wanted_minors(wanted)
        candidates = [own(), *_discovered(self._environ)]
        for candidate in preferred(wanted, candidates, own().minor):
            if self._policy == "strict" and candidate.minor not in minors:
                continue
            interpreter = self.probe(candidate)
            if interpreter is None or interpreter.version[1] != candidate.minor:
                continue
            return Choice(interpreter, () if candidate.minor in minors else (_notice(wanted, interpreter),))
        raise failed(_nothing_found(wanted, self._policy, self._environ, candidates))

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


def _notice(wanted: str | None, interpreter: Interpreter) -> str:
    return f"python {wanted} was asked for; {interpreter} is the nearest on this machine"


def _nothing_found(wanted: str | None, policy: str, environ: Mapping[str, str], candidates: Iterable[Candidate]) -> str:
    there = sorted({candidate.minor for candidate in candidates})
    places = ", ".join([*map(str, _version_folders(environ)), *filter(None, environ.get("PATH", "").split(os.pathsep))])
    remedy = "install it" if policy == "nearest" else "install it, or set PENSTOCK_PYTHON_POLICY=nearest"
    return (
        f"python {wanted or '3'} (3.{OLDEST_MINOR} or newer) was not found in {places}; "
        f"there are {', '.join(f'3.{minor}' for minor in there)}: {remedy}"
    )
