"""The port for environments: from requirements to a Python interpreter that has them installed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from penstock.domain.environment import Environment, Requirements


@dataclass(frozen=True, kw_only=True)
class Build:
    """What is to be built. `fingerprint` is the same if and only if the outcome would be."""

    fingerprint: str
    python: Path  # the base interpreter
    packages: tuple[str, ...]
    notices: tuple[str, ...]  # e.g. "python 3.8 was asked for; 3.11.7 is the nearest on this machine"


@dataclass(frozen=True, kw_only=True)
class BuiltEnvironment:
    fingerprint: str
    python: Path  # interpreter of the environment, worker included
    build_seconds: float


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

        Raises `failed` if there is no fitting interpreter, naming what was looked for and where.
        """
        ...

    def built(self, fingerprint: str) -> BuiltEnvironment | None:
        """The environment, if it is complete."""
        ...

    def ensure(self, build: Build) -> BuiltEnvironment:
        """Build it, or wait for who is building it; output goes to `log`.

        Raises `failed` with a message that names the packages that clash or are missing, or `unavailable` if it may
        work later (network, full disk); both with the last lines of the build's output in `details["log"]`.
        """
        ...

    def log(self, fingerprint: str) -> Path:
        """Where the output of this build is, or will be."""
        ...
