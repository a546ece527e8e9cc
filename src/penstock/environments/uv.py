"""Environments made by uv: a virtual environment per fingerprint, whole once it has its marker."""

import hashlib
import json
import logging
import os
import sysconfig
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from penstock import durable
from penstock.commands import Surroundings
from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import Code, PenstockError, failed, full_disk_named, invalid
from penstock.environments import collection
from penstock.environments.base import Build, BuiltEnvironment, Diagnosis, MissingPython, Unused
from penstock.environments.builder import LIMIT, Builder
from penstock.environments.curated import curated_requirements
from penstock.environments.downloads import Downloads
from penstock.environments.examination import diagnosis, without_interpreter
from penstock.environments.failures import tail
from penstock.environments.interpreters import ONLY_WHAT_IS_HERE, Interpreters, PythonRules
from penstock.environments.lines import normalised
from penstock.environments.lock import Pin
from penstock.environments.manifest import Damage, damage
from penstock.environments.past_failure import due_again, read_failure, write_failure
from penstock.environments.place import Place, is_fingerprint
from penstock.environments.reading import read_environment
from penstock.environments.turn import turn
from penstock.environments.uv_environ import uv_environ
from penstock.environments.worker_wheel import WorkerWheel, store_wheel, worker_wheel

log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class UvEnvironments:
    """Environments below `folder`; `place.py` tells which files each has.

    `environ` is what uv may see of the platform's environment (see `uv_environ`), `owner` marks the processes that
    are started. `curated_file` is made from the shipped map on first use.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environ: Mapping[str, str],
        owner: str,
        curated_file: Path,
        pythons: PythonRules = ONLY_WHAT_IS_HERE,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._folder = folder
        self._curated_file = curated_file
        self._now = now
        self._surroundings = Surroundings(environ=uv_environ(environ, owner, folder), folder=folder, limit=LIMIT)
        self._downloads = Downloads(self._surroundings, pythons.downloads, now)
        self._interpreters = Interpreters(environ, pythons.policy, self._downloads.refusal)
        self._verified: dict[str, str] = {}  # by fingerprint: the digest of the files that were looked at
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, environment: Environment) -> Requirements:
        return read_environment(environment, self.curated)

    def curated(self, name: str) -> Requirements | None:
        return curated_requirements(self._curated_file, name)

    def plan(self, requirements: Requirements) -> Build:
        choice = self._interpreters.choose(requirements.python, requirements.python_policy)
        base, version = choice.interpreter, choice.install
        parts = [str(base.path), str(base), sysconfig.get_platform(), self._wheel.sha256]
        parts += [*([f"python {version}"] if version else []), *normalised(requirements.packages)]
        return Build(
            fingerprint=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
            python=base.path,
            packages=requirements.packages,
            notices=(*requirements.notices, *choice.notices),
            python_version=str(base),
            missing=MissingPython(version=version, requirements=requirements) if version else None,
        )

    def diagnose(self, requirements: Requirements, tell: Callable[[str], None]) -> Diagnosis:
        try:
            build = self.plan(requirements)
        except PenstockError as err:
            return without_interpreter(err.message)
        cached = self.built(build.fingerprint) is not None
        with full_disk_named(self._folder):
            return diagnosis(build, self._worker().requirement, self._surroundings, tell, cached=cached)

    def built(self, fingerprint: str) -> BuiltEnvironment | None:
        place = Place(self._folder, fingerprint)
        if not is_fingerprint(fingerprint) or not place.marker.exists():
            return None
        with turn(place.turn, shared=True, wait=False) as mine:
            return self._found(place) if mine else None

    def ensure(self, build: Build) -> BuiltEnvironment:
        if build.missing is not None:
            build = self._replanned(build.missing, self._place(build.fingerprint))
        place = self._place(build.fingerprint)
        with full_disk_named(self._folder), turn(place.turn):
            self._verified.pop(build.fingerprint, None)
            built = self._found(place)
            if built is None:
                self._build(build, place)
                built = self._found(place)
            place.failure.unlink(missing_ok=True)
        if built is None:
            raise failed(f"environment {build.fingerprint} was built and then removed by somebody: deploy again")
        return built

    def retry(self, fingerprint: str) -> None:
        place = self._place(fingerprint)
        with turn(place.turn, wait=False) as mine:
            failure = read_failure(place.failure) if mine else None
            if failure is not None and failure.code == Code.FAILED:
                place.lock.unlink(missing_ok=True)
            if failure is not None:
                place.failure.unlink(missing_ok=True)

    def use(self, fingerprint: str) -> None:
        self._verified.pop(fingerprint, None)
        self._touch(self._place(fingerprint))

    def unused(self, keep: Collection[str], unused_for: timedelta) -> Sequence[Unused]:
        return collection.unused(self._folder, keep, unused_for, self._now())

    def collect(self, keep: Collection[str], unused_for: timedelta) -> Sequence[Unused]:
        gone = collection.collect(self._folder, keep, unused_for, self._now())
        for one in gone:
            log.info("environment removed", extra={"fingerprint": one.fingerprint, "freed_bytes": one.bytes})
        collection.sweep(self._folder, self._stored_wheel(), self._now())
        return gone

    def log(self, fingerprint: str) -> Path:
        return self._place(fingerprint).log

    def _place(self, fingerprint: str) -> Place:
        if not is_fingerprint(fingerprint):
            raise invalid(f"{fingerprint[:80]!r} is not the fingerprint of an environment")
        return Place(self._folder, fingerprint)

    def _found(self, place: Place) -> BuiltEnvironment | None:
        """The environment if it is whole, noted as used; whoever asks has taken his turn."""
        marker = _read_marker(place)
        if marker is None or not place.python.exists():  # a link to an interpreter that was uninstalled
            return None
        seconds, digest = marker
        if self._verified.get(place.fingerprint) != digest:
            found = damage(place.folder, place.manifest, digest, place.marker.name)
            if found is not None:
                log.warning("environment is damaged", extra={"fingerprint": place.fingerprint, "damage": str(found)})
                return None
            self._verified[place.fingerprint] = digest
        self._touch(place)
        return BuiltEnvironment(fingerprint=place.fingerprint, python=place.python, build_seconds=seconds)

    def _replanned(self, missing: MissingPython, place: Place) -> Build:
        """What is built now that the interpreter was installed, or could not be; `place` keeps what was said of it."""
        said = self._downloads.install(missing.version)
        with full_disk_named(self._folder):
            try:
                build = self.plan(missing.requirements)
            except PenstockError as err:
                durable.replace(place.log, f"{said}{err.message}\n".encode())
                raise failed(err.message, {"log": tail(said)}) from err
            durable.replace(place.log, f"{said}the build goes on as environment {build.fingerprint}\n".encode())
        if build.missing is not None:
            raise failed(f"python {missing.version} was installed and is not found: install it yourself")
        return build

    def _touch(self, place: Place) -> None:
        """Note that the environment is used now."""
        now = self._now().timestamp()
        with suppress(FileNotFoundError):
            os.utime(place.marker, (now, now))

    def _build(self, build: Build, place: Place) -> None:
        past = read_failure(place.failure)
        if past is not None and not due_again(past, self._now()):
            raise past.error()
        hurt = _damage(place)
        wheel = self._stored_wheel()
        if hurt is not None:
            os.utime(wheel)  # has uv read it again: what it keeps of it may be what was damaged
        builder = Builder(
            build=build,
            place=place,
            worker=self._worker(),
            surroundings=self._surroundings,
            damage=hurt,
        )
        try:
            with full_disk_named(self._folder):
                builder.run()
        except PenstockError as err:
            write_failure(place.failure, err, self._now(), past)
            raise

    @cached_property
    def _wheel(self) -> WorkerWheel:
        return worker_wheel()

    def _worker(self) -> Pin:
        """The worker as it is installed now."""
        return Pin(f"penstock-worker @ {self._stored_wheel().as_uri()}", (f"sha256:{self._wheel.sha256}",))

    def _stored_wheel(self) -> Path:
        return store_wheel(self._wheel, self._folder / ".worker")


def _read_marker(place: Place) -> tuple[float, str] | None:
    """How long the build took, and the digest of its files."""
    try:
        marker = json.loads(place.marker.read_bytes())
        return float(marker["build_seconds"]), str(marker["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _damage(place: Place) -> Damage | None:
    """What is wrong with a complete environment."""
    marker = _read_marker(place)
    return damage(place.folder, place.manifest, marker[1], place.marker.name) if marker else None
