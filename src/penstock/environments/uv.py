"""Environments made by uv: a virtual environment per fingerprint, whole once it has its marker."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sysconfig
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import IO

import uv

from penstock import durable
from penstock.domain.environment import Environment, Requirements
from penstock.domain.errors import PenstockError, failed, full_disk_named, invalid
from penstock.environments.base import Build, BuiltEnvironment
from penstock.environments.commands import Surroundings, TimeLimitError, run
from penstock.environments.curated import curated_requirements
from penstock.environments.failures import explain, tail
from penstock.environments.interpreters import Interpreters
from penstock.environments.lines import normalised
from penstock.environments.reading import read_environment
from penstock.environments.uv_environ import uv_environ
from penstock.environments.worker_wheel import WorkerWheel, store_wheel, worker_wheel

_FINGERPRINT = re.compile(r"[0-9a-f]{16}\Z")
_LIMIT = timedelta(minutes=30)
_MARKER = ".complete"


class UvEnvironments:
    """Environments below `folder`: `FINGERPRINT/`, `FINGERPRINT.log`, `FINGERPRINT.lock`.

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
        python_policy: str = "nearest",
    ) -> None:
        self._folder = folder
        self._curated_file = curated_file
        self._interpreters = Interpreters(environ, python_policy)
        self._surroundings = Surroundings(environ=uv_environ(environ, owner, folder), folder=folder, limit=_LIMIT)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, environment: Environment) -> Requirements:
        return read_environment(environment, self.curated)

    def curated(self, name: str) -> Requirements | None:
        return curated_requirements(self._curated_file, name)

    def plan(self, requirements: Requirements) -> Build:
        choice = self._interpreters.choose(requirements.python)
        base = choice.interpreter
        parts = [str(base.path), str(base), sysconfig.get_platform(), self._wheel.sha256]
        parts += normalised(requirements.packages)
        return Build(
            fingerprint=hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16],
            python=base.path,
            packages=requirements.packages,
            notices=(*requirements.notices, *choice.notices),
        )

    def built(self, fingerprint: str) -> BuiltEnvironment | None:
        if not _FINGERPRINT.match(fingerprint):
            return None
        folder = self._folder / fingerprint
        python = folder / "bin" / "python"
        try:
            marker = json.loads((folder / _MARKER).read_bytes())
            seconds = float(marker["build_seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not python.exists():  # a link to an interpreter that was uninstalled
            return None
        return BuiltEnvironment(fingerprint=fingerprint, python=python, build_seconds=seconds)

    def ensure(self, build: Build) -> BuiltEnvironment:
        log = self.log(build.fingerprint)
        with self._lock(build.fingerprint), full_disk_named(self._folder):
            built = self.built(build.fingerprint)
            if built is None:
                with _private(log) as file:
                    self._build(build, file)
                built = self.built(build.fingerprint)
        if built is None:
            raise failed(f"environment {build.fingerprint} was built and then removed by somebody: deploy again")
        return built

    def log(self, fingerprint: str) -> Path:
        if not _FINGERPRINT.match(fingerprint):
            raise invalid(f"{fingerprint[:80]!r} is not the fingerprint of an environment")
        return self._folder / f"{fingerprint}.log"

    @cached_property
    def _wheel(self) -> WorkerWheel:
        return worker_wheel()

    def _build(self, build: Build, log: IO[str]) -> None:
        """Build in place, for a virtual environment cannot be moved; the marker comes last."""
        started = time.monotonic()
        target = self._folder / build.fingerprint
        requirements = self._folder / f"{build.fingerprint}.requirements"
        _remove(target)
        log.write(f"creating environment {build.fingerprint} with {build.python}\n")
        log.writelines(f"{notice}\n" for notice in build.notices)
        log.flush()
        try:
            # A file and not arguments, which every user of the machine can see: index URLs may hold passwords.
            with _private(requirements) as file:
                file.writelines(f"{line}\n" for line in (*_in_file(build.packages), self._worker_requirement()))
            for argv in _commands(build, target, requirements):
                self._run(build, argv, log)
            seconds = time.monotonic() - started
            log.write(f"created in {seconds:.1f} s\n")
            marker = {"python": str(build.python), "build_seconds": round(seconds, 3)}
            durable.replace(target / _MARKER, json.dumps(marker).encode())
        except BaseException:
            _remove(target)
            raise
        finally:
            requirements.unlink(missing_ok=True)

    def _run(self, build: Build, argv: Sequence[str], log: IO[str]) -> None:
        try:
            if run(argv, log, self._surroundings) == 0:
                return
        except TimeLimitError:
            raise failed(
                f"environment {build.fingerprint} was not built within {_LIMIT}: ask for packages that have wheels",
                {"log": tail(self._output(build))},
            ) from None
        output = self._output(build)
        failure = explain(output)
        message = f"environment {build.fingerprint} cannot be built: {failure.message}"
        raise PenstockError(failure.code, message, {"log": tail(output)})

    def _output(self, build: Build) -> str:
        return self.log(build.fingerprint).read_text(encoding="utf-8", errors="replace")

    def _worker_requirement(self) -> str:
        return f"penstock-worker @ {store_wheel(self._wheel, self._folder / '.worker').as_uri()}"

    @contextmanager
    def _lock(self, fingerprint: str) -> Generator[None]:
        """Waits until nobody else builds `fingerprint`; the kernel lets go if the holder dies."""
        descriptor = os.open(self._folder / f"{fingerprint}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _commands(build: Build, target: Path, requirements: Path) -> Sequence[Sequence[str]]:
    binary = uv.find_uv_bin()
    options: list[str] = []
    for line in build.packages:
        name, _, value = line.partition(" ")
        if name == "--pre":
            options.append("--prerelease=allow")
        if name == "--trusted-host":
            options.append(f"--allow-insecure-host={value}")
    python = str(target / "bin" / "python")
    return (
        # By its exact path: uv takes a bare name such as cp for a kind of Python.
        (binary, "venv", "--no-project", "--python", str(build.python), str(target)),
        (binary, "pip", "install", "--python", python, *options, "-r", str(requirements)),
    )


def _in_file(packages: Sequence[str]) -> list[str]:
    """The lines that uv reads from a file; the others are arguments."""
    return [line for line in packages if line.partition(" ")[0] not in ("--pre", "--trusted-host")]


def _private(file: Path) -> IO[str]:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return open(descriptor, "w", encoding="utf-8")


def _remove(folder: Path) -> None:
    """Remove an environment, its marker first: half of one must not look whole."""
    (folder / _MARKER).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)
