"""The port for environments: from requirements to a Python interpreter that has them installed."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from penstock.domain.environment import Environment, Requirements
from penstock.environments.doctor import Change


@dataclass(frozen=True, kw_only=True)
class MissingPython:
    """Requirements whose Python is not on this machine: `version` is to be installed for them."""

    version: str
    requirements: Requirements


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is to be built. `fingerprint` is the same if and only if the outcome would be."""

    fingerprint: str
    python: Path  # the base interpreter
    packages: tuple[str, ...]
    notices: tuple[str, ...]  # e.g. "python 3.8 was asked for; 3.11.7 is the nearest on this machine"
    python_version: str = ""  # of `python`: 3.11.7
    missing: MissingPython | None = None  # what must be installed first; `python` is the nearest until then


@dataclass(frozen=True, kw_only=True)
class BuiltEnvironment:
    fingerprint: str
    python: Path  # interpreter of the environment, worker included
    build_seconds: float


@dataclass(frozen=True, kw_only=True)
class Unused:
    """An environment that nobody has used for a while, or what a crash has left of one.

    `bytes` is what its removal frees: files that no other environment and no cache shares with it.
    """

    fingerprint: str
    bytes: int
    last_used_at: datetime


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What requirements come to, found out with nothing installed.

    Without `faults` they can be had. `changes` together would mend all of them; if `complete` is false there was not
    time enough to look for them all.
    """

    python: str  # the version that would be used; empty if there is none
    fingerprint: str
    cached: bool  # the environment is there already
    packages: int  # how many would be installed, the worker's among them
    faults: tuple[str, ...]
    changes: tuple[Change, ...]
    notices: tuple[str, ...]
    complete: bool


class Environments(Protocol):
    """Reads environment specs and builds environments, once per fingerprint, safe against crashes and each other."""

    def read(self, environment: Environment) -> Requirements:
        """What `environment` comes to: conda mapping, requirement lines, curated image or name.

        Raises `invalid` naming each conda package that is not Python's, image that is not known, or part that
        does not parse, with the remedy.
        """
        ...

    def curated(self, name: str) -> Requirements | None:
        """Requirements of a curated name such as `azureml://registries/azureml/environments/sklearn-1.5/labels/latest`."""
        ...

    def plan(self, requirements: Requirements) -> Build:
        """Choose the interpreter and compute the fingerprint; fast, builds nothing.

        Where the interpreter is to be installed first, the fingerprint is that of the wish alone; `ensure` returns the
        environment under its own.

        Raises `failed` if there is no fitting interpreter, naming what was looked for and where.
        """
        ...

    def diagnose(self, requirements: Requirements, tell: Callable[[str], None]) -> Diagnosis:
        """Say whether these requirements can be had and, if not, which clash or are missing and what to change.

        Takes up to three minutes, and tells `tell` what it is doing, in a few words. Raises `unavailable` if the index
        cannot be reached.
        """
        ...

    def built(self, fingerprint: str) -> BuiltEnvironment | None:
        """The environment, if it is complete and has not been damaged since; it then counts as used now.

        Looks at all files the first time, and again after each `use`. Does not wait for who builds or removes it.
        """
        ...

    def ensure(self, build: Build) -> BuiltEnvironment:
        """Build it, or wait for who is building it; what it says goes to `log`. It then counts as used now.

        All builds of one fingerprint install the same versions. A damaged environment is built again.

        Raises `failed` with a message that names the packages that clash or are missing, or `unavailable` if it may
        work later (network, full disk); both with the last lines of the build's output in `details["log"]`. The same
        error is raised again, and nothing built, until `retry`; if it is `unavailable`, for a pause that grows.
        """
        ...

    def retry(self, fingerprint: str) -> None:
        """Forget how the build has failed, and the versions that it chose: the user asks for another try."""
        ...

    def use(self, fingerprint: str) -> None:
        """Note that a process starts with this environment now. It must not be collected while the process runs."""
        ...

    def unused(self, keep: Collection[str], unused_for: timedelta) -> Sequence[Unused]:
        """What `collect` would remove; the one that was used longest ago comes first."""
        ...

    def collect(self, keep: Collection[str], unused_for: timedelta) -> Sequence[Unused]:
        """Remove what was not used for so long and is not among the fingerprints to `keep`; returns what is gone.

        What has been handed out in the last minutes is not touched, whatever `unused_for` says: its process may be
        about to start. What stays of the others, their logs and locks, goes after a year.
        """
        ...

    def log(self, fingerprint: str) -> Path:
        """Where the output of this build is, or will be."""
        ...
