"""Asks uv what requirements come to, with nothing installed; what has no wheel is built once, to see if it can be."""

import io
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import IO

import uv
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from penstock.commands import Streams, Surroundings, TimeLimitError, run
from penstock.domain.errors import Code, PenstockError
from penstock.environments.doctor import EnoughTriedError, Resolution
from penstock.environments.failures import explain
from penstock.environments.lines import arguments, file_lines
from penstock.environments.lock import read_lock
from penstock.environments.unnamed import unnamed

_LIMIT = timedelta(minutes=3)  # of everything
_LIMIT_OF_BUILDS = timedelta(minutes=1)  # of packages from source, all together
_MOST_TRIES = 120
_PLAIN = Streams()
_WITHOUT_WHEEL = re.compile(r"Wheels are required for `([\w.-]+)`")
_ONE_WITHOUT_WHEEL = r"(?<![\w.-]){name}==([^\s,*]+) has no usable wheels"


class Resolver:
    """Resolves for one interpreter: `python` is uv's arguments that say for which. `worker` is resolved with all lines.

    `tell` is told what is being done, in a few words. Raises `EnoughTriedError` after so many tries or so long, and
    `unavailable` where the index cannot be reached.
    """

    def __init__(
        self, python: Sequence[str], worker: str, surroundings: Surroundings, tell: Callable[[str], None]
    ) -> None:
        self._python = python
        self._worker = worker
        self._surroundings = surroundings
        self._tell = tell
        self._until = time.monotonic() + _LIMIT.total_seconds()
        self._left_for_builds = _LIMIT_OF_BUILDS
        self._tries = 0
        self._known: dict[tuple[str, ...], Resolution] = {}
        self._from_source: dict[tuple[str, str], bool] = {}  # by name and version ("" for any): could it be built?

    def __call__(self, lines: Sequence[str]) -> Resolution:
        key = tuple(lines)
        if key not in self._known:
            self._known[key] = self._resolved(lines)
        return self._known[key]

    @property
    def built(self) -> Sequence[str]:
        """The packages that were built from source, as they have no wheel."""
        return sorted({name for (name, _), could in self._from_source.items() if could})

    def _resolved(self, lines: Sequence[str]) -> Resolution:
        allowed = self.built
        while True:
            self._tries += 1
            if self._tries > _MOST_TRIES:
                raise EnoughTriedError
            self._tell(f"resolving the requirements, try {self._tries}")
            status, versions, said = self._compile(lines, allowed)
            untried = [name for name in allowed if status == 0 and not self._may_be_built(name, versions.get(name))]
            wanted = _without_wheel(said)
            if untried:
                allowed = [name for name in allowed if name not in untried]
            elif status == 0:
                return Resolution(versions=versions)
            elif wanted is not None and wanted not in self._from_source and self._can_be_built(*wanted, lines):
                allowed = [*allowed, wanted[0]]
            else:
                return _unresolved(said)

    def _compile(self, lines: Sequence[str], allowed: Sequence[str]) -> tuple[int, dict[str, str], str]:
        """Status, versions by package, and what uv said; only `allowed` packages may be built from source."""
        wheels = [] if any(map(_needs_building, lines)) else ["--only-binary", ":all:"]
        wheels += [part for name in allowed for part in ("--no-binary", name)]
        argv = ("pip", "compile", "--no-header", "--no-annotate", *self._python, *wheels, *arguments(lines), "-")
        log = io.StringIO()
        with unnamed((*file_lines(lines), self._worker)) as given, tempfile.TemporaryFile() as resolved:
            status = self._run(argv, log, _LIMIT, Streams(stdin=given, stdout=resolved))
            resolved.seek(0)
            pins = read_lock(resolved.read().decode())
        versions = {pin.name: pin.requirement.partition("==")[2] for pin in pins}
        return status, versions, log.getvalue()

    def _may_be_built(self, name: str, version: str | None) -> bool:
        known = self._from_source
        return version is None or known.get((name, ""), False) or known.get((name, version), False)

    def _can_be_built(self, name: str, version: str, lines: Sequence[str]) -> bool:
        """True if the package could be built from source, which uv then keeps; `lines` say from which index."""
        requirement = f"{name}=={version}" if version else name
        self._tell(f"building {requirement} from source, as it has no wheel")
        began = time.monotonic()
        options = [line for line in file_lines(lines) if line.startswith("-")]
        with tempfile.TemporaryDirectory() as target, unnamed((*options, requirement)) as given:
            where = ("--target", target, *self._python, *arguments(lines))
            argv = ("pip", "install", "--no-deps", *where, "--requirement", "-")
            try:
                could = self._run(argv, io.StringIO(), self._left_for_builds, Streams(stdin=given)) == 0
            except EnoughTriedError:
                could = False
        self._left_for_builds -= timedelta(seconds=time.monotonic() - began)
        self._from_source[name, version] = could
        return could

    def _run(self, argv: Sequence[str], log: IO[str], limit: timedelta, streams: Streams = _PLAIN) -> int:
        left = min(limit, timedelta(seconds=self._until - time.monotonic()))
        if left <= timedelta(0):
            raise EnoughTriedError
        try:
            return run((uv.find_uv_bin(), *argv), log, replace(self._surroundings, limit=left), streams)
        except TimeLimitError:
            raise EnoughTriedError from None


def _unresolved(said: str) -> Resolution:
    failure = explain(said)
    if failure.code is not Code.FAILED:
        raise PenstockError(failure.code, f"the requirements cannot be resolved now: {failure.message}")
    return Resolution(versions={}, fault=failure.message)


def _without_wheel(said: str) -> tuple[str, str] | None:
    """The package that uv would have had to build, and the version if one alone is in question."""
    found = _WITHOUT_WHEEL.search(said)
    if found is None:
        return None
    name, text = canonicalize_name(found[1]), " ".join(said.split())
    one = re.search(_ONE_WITHOUT_WHEEL.format(name=re.escape(name)), text)
    if one is not None:
        return name, one[1]
    return (name, "") if f"all versions of {name} have no usable wheels" in text else None


def _needs_building(line: str) -> bool:
    """True for repositories and archives of sources, which are named by their URL."""
    try:
        url = Requirement(line).url
    except InvalidRequirement:
        url = line if "://" in line and not line.startswith("-") else None
    return url is not None and ".whl" not in url
