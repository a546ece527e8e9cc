"""Environments that exist in name only: built at once, or failing as a test says."""

import hashlib
import sys
from pathlib import Path

from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import PenstockError, invalid
from penstock.environments.base import Build, BuiltEnvironment
from penstock.environments.lines import normalised
from penstock.environments.reading import read_environment


class FakeEnvironments:
    """Everything builds, in no time, unless `failures` has an error for one of its packages.

    `curated_names` are the curated names and images that are known; `ensured` lists the fingerprints really built.
    """

    def __init__(self, folder: Path) -> None:
        self.failures: dict[str, PenstockError] = {}
        self.curated_names: dict[str, Requirements] = {}
        self.ensured: list[str] = []
        self._folder = folder
        self._built: dict[str, BuiltEnvironment] = {}

    def read(self, environment: Environment) -> Requirements:
        return read_environment(environment, self.curated)

    def curated(self, name: str) -> Requirements | None:
        return self.curated_names.get(name)

    def plan(self, requirements: Requirements) -> Build:
        text = "\n".join([requirements.python or "", *normalised(requirements.packages)])
        return Build(
            fingerprint=hashlib.sha256(text.encode()).hexdigest()[:16],
            python=Path(sys.executable),
            packages=requirements.packages,
            notices=requirements.notices,
        )

    def built(self, fingerprint: str) -> BuiltEnvironment | None:
        return self._built.get(fingerprint)

    def ensure(self, build: Build) -> BuiltEnvironment:
        log = self.log(build.fingerprint)
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log.write_text(f"creating environment {build.fingerprint}\n")
        log.chmod(0o600)
        for package in build.packages:
            if package in self.failures:
                raise self.failures[package]
        if build.fingerprint not in self._built:
            self.ensured.append(build.fingerprint)
            self._built[build.fingerprint] = BuiltEnvironment(
                fingerprint=build.fingerprint, python=build.python, build_seconds=0.0
            )
        return self._built[build.fingerprint]

    def log(self, fingerprint: str) -> Path:
        if not fingerprint.isalnum():
            raise invalid(f"{fingerprint[:80]!r} is not the fingerprint of an environment")
        return self._folder / f"{fingerprint}.log"
