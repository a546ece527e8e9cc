"""Environments that exist in name only: built at once, or failing as a test says."""

import hashlib
import platform
import sys
import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import Code, PenstockError, invalid
from penstock.environments.base import Build, BuiltEnvironment, Diagnosis, Unused
from penstock.environments.doctor import Change
from penstock.environments.lines import normalised
from penstock.environments.reading import read_environment
from penstock.testing.clock import ManualClock

_JUST_USED = timedelta(minutes=10)


class FakeEnvironments:
    """Everything builds, in no time, unless `failures` has an error for one of its packages.

    A build takes `seconds`. `curated_names` are the curated names and images that are known; `ensured` lists the
    fingerprints really built.
    """

    def __init__(self, folder: Path, clock: ManualClock | None = None) -> None:
        self.failures: dict[str, PenstockError] = {}
        self.seconds = 0.0
        self.curated_names: dict[str, Requirements] = {}
        self.ensured: list[str] = []
        self._folder = folder
        self._clock = clock or ManualClock()
        self._built: dict[str, BuiltEnvironment] = {}
        self._used: dict[str, datetime] = {}
        self._failed: dict[str, PenstockError] = {}

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
            python_version=platform.python_version(),
        )

    def diagnose(self, requirements: Requirements, tell: Callable[[str], None]) -> Diagnosis:
        build = self.plan(requirements)
        failing = {package: self.failures[package] for package in build.packages if package in self.failures}
        tell("resolving the requirements, try 1")
        for error in failing.values():
            if error.code is Code.UNAVAILABLE:
                raise error
        return Diagnosis(
            python=build.python_version,
            fingerprint=build.fingerprint,
            cached=build.fingerprint in self._built,
            packages=0 if failing else len(build.packages) + 1,
            faults=tuple(error.message for error in failing.values()),
            changes=tuple(Change(package, None) for package in failing),
            notices=build.notices,
            complete=True,
        )

    def built(self, fingerprint: str) -> BuiltEnvironment | None:
        if fingerprint in self._built:
            self.use(fingerprint)
        return self._built.get(fingerprint)

    def ensure(self, build: Build) -> BuiltEnvironment:
        if build.fingerprint in self._failed:
            raise self._failed[build.fingerprint]
        time.sleep(self.seconds)
        log = self.log(build.fingerprint)
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        log.write_text(f"creating environment {build.fingerprint}\n")
        log.chmod(0o600)
        for package in build.packages:
            if package in self.failures:
                self._fail(build.fingerprint, self.failures[package])
        if build.fingerprint not in self._built:
            self.ensured.append(build.fingerprint)
            self._built[build.fingerprint] = BuiltEnvironment(
                fingerprint=build.fingerprint, python=build.python, build_seconds=0.0
            )
        self.use(build.fingerprint)
        return self._built[build.fingerprint]

    def lose(self) -> None:
        """All environments are gone from the disk, as if somebody had removed or damaged them."""
        self._built.clear()

    def retry(self, fingerprint: str) -> None:
        self._failed.pop(fingerprint, None)

    def use(self, fingerprint: str) -> None:
        self._used[fingerprint] = self._clock.now()

    def unused(self, keep: Collection[str], unused_for: timedelta) -> Sequence[Unused]:
        before = self._clock.now() - max(unused_for, _JUST_USED)
        return [
            Unused(fingerprint=fingerprint, bytes=0, last_used_at=used_at)
            for fingerprint, used_at in sorted(self._used.items(), key=lambda item: item[1])
            if fingerprint in self._built and fingerprint not in keep and used_at < before
        ]

    def collect(self, keep: Collection[str], unused_for: timedelta) -> Sequence[Unused]:
        gone = self.unused(keep, unused_for)
        for one in gone:
            del self._built[one.fingerprint]
        return gone

    def log(self, fingerprint: str) -> Path:
        if not fingerprint.isalnum():
            raise invalid(f"{fingerprint[:80]!r} is not the fingerprint of an environment")
        return self._folder / f"{fingerprint}.log"

    def _fail(self, fingerprint: str, error: PenstockError) -> None:
        """What is unavailable may be tried again at once: here no time passes by itself."""
        if error.code is not Code.UNAVAILABLE:
            self._failed[fingerprint] = error
        raise error
