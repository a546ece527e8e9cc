"""Builds an environment with uv: versions locked, installed from the lock, compiled, sealed, and then marked whole."""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

import uv

from penstock import durable
from penstock.commands import Streams, Surroundings, TimeLimitError, run
from penstock.domain.errors import Code, PenstockError, failed
from penstock.environments.base import Build
from penstock.environments.byte_code import shares, sources
from penstock.environments.failures import Failure, explain, tail
from penstock.environments.lines import arguments, file_lines
from penstock.environments.lock import Pin, as_asked, lock_text, mismatched, read_lock, unhashed
from penstock.environments.manifest import Damage, write_manifest
from penstock.environments.place import Place
from penstock.environments.seal import remove, seal, seal_folder
from penstock.environments.unnamed import unnamed

LIMIT = timedelta(minutes=30)  # of each command


@dataclass(frozen=True, kw_only=True)
class Builder:
    """One build. `worker` is the worker as it is installed now; `damage` is what was wrong with the environment."""

    build: Build
    place: Place
    worker: Pin
    surroundings: Surroundings
    damage: Damage | None = None

    def run(self) -> None:
        """Build in place, for a virtual environment cannot be moved; the marker comes last.

        Nothing of it is left if it fails. Raises `failed`, `unavailable`, or the OSError of a full disk.
        """
        remove(self.place.folder, self.place.marker)
        try:
            with _private(self.place.log) as log:
                self._make(log)
        except BaseException:
            remove(self.place.folder, self.place.marker)
            raise

    def _make(self, log: IO[str]) -> None:
        started = time.monotonic()
        log.write(f"creating environment {self.build.fingerprint} with {self.build.python}\n")
        log.writelines(f"{notice}\n" for notice in self.build.notices)
        if self.damage is not None:
            log.write(f"the environment was damaged and is built again ({self.damage})\n")
        kept = self._kept()
        if kept is not None:
            log.write("installing the versions that were locked before\n")
        log.flush()
        try:
            self._install(self._locked(log) if kept is None else kept, log)
        except PenstockError as err:
            if kept is None or err.code is not Code.FAILED:
                raise
            again = "these are the versions that were locked before: deploy again to have them chosen anew"
            raise failed(f"{err.message}; {again}", err.details) from err
        self._compile(log)
        self._complete(time.monotonic() - started, log)

    def _kept(self) -> Sequence[Pin] | None:
        """The versions of an earlier build of the same fingerprint."""
        try:
            text = self.place.lock.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return as_asked(read_lock(text), self.build.packages, self.worker)

    def _locked(self, log: IO[str]) -> Sequence[Pin]:
        """Resolve the requirements and keep what they come to."""
        argv = ("pip", "compile", "--generate-hashes", "--no-header", "--python", str(self.build.python))
        lines = (*file_lines(self.build.packages), self.worker.requirement)
        with unnamed(lines) as given, tempfile.TemporaryFile(dir=self.place.root) as resolved:
            self._uv((*argv, *arguments(self.build.packages), "-"), log, Streams(stdin=given, stdout=resolved))
            resolved.seek(0)
            text = resolved.read().decode()
        pins = as_asked(read_lock(text), self.build.packages, self.worker)
        durable.replace(self.place.lock, lock_text(pins).encode())
        return pins

    def _install(self, pins: Sequence[Pin], log: IO[str]) -> None:
        # By its exact path: uv takes a bare name such as cp for a kind of Python.
        self._uv(("venv", "--no-project", "--python", str(self.build.python), str(self.place.folder)), log)
        options = ["--require-hashes"]
        if open_ones := unhashed(pins):
            options = []
            log.write(f"installed without a hash, as there is none for repositories: {', '.join(open_ones)}\n")
        if self.damage is not None and self.damage.changed:
            options.append("--refresh")  # uv's cache shares the changed files
        options += [f"--allow-insecure-host={host}" for host in _values(self.build.packages, "--trusted-host")]
        lines = (*(line for line in file_lines(self.build.packages) if line.startswith("-")), *map(str, pins))
        with unnamed(lines) as given:
            argv = ("pip", "sync", *options, "--python", str(self.place.python), "-")
            self._uv(argv, log, Streams(stdin=given))

    def _compile(self, log: IO[str]) -> None:
        """In processes that each end with this one, which those of compileall's own do not."""
        argv = (str(self.place.python), "-I", "-m", "compileall", "-qq", "-i", "-")

        def compile_share(files: Sequence[Path]) -> None:
            with unnamed([str(file) for file in files]) as given:
                # Some packages bring files that no Python compiles: these fail when they are imported, not before.
                self._status(argv, log, Streams(stdin=given))

        processors = os.cpu_count() or 1
        work = shares([file for site in self.place.packages for file in sources(site)], processors)
        with ThreadPoolExecutor(processors) as threads:
            list(threads.map(compile_share, work))

    def _complete(self, seconds: float, log: IO[str]) -> None:
        place = self.place
        marker = {
            "python": str(self.build.python),
            "build_seconds": round(seconds, 3),
            "files": write_manifest(place.folder, place.manifest),
        }
        seal(place.folder)
        log.write(f"created in {seconds:.1f} s\n")
        log.flush()
        durable.replace(place.marker, json.dumps(marker).encode())
        seal_folder(place.folder)

    def _uv(self, arguments: Sequence[str], log: IO[str], streams: Streams | None = None) -> None:
        status = self._status((uv.find_uv_bin(), *arguments), log, streams or Streams())
        if status == 0:
            return
        output = self._output()
        failure = _killed(status) or _other_file(output) or explain(output)
        message = f"{self._name} cannot be built: {failure.message}; {self._more}"
        raise PenstockError(failure.code, message, {"log": tail(output)})

    def _status(self, argv: Sequence[str], log: IO[str], streams: Streams) -> int:
        try:
            return run(argv, log, self.surroundings, streams)
        except TimeLimitError:
            fault = f"{self._name} was not built within {self.surroundings.limit}: ask for packages that have wheels"
            raise failed(f"{fault}; {self._more}", {"log": tail(self._output())}) from None

    @property
    def _name(self) -> str:
        return f"environment {self.build.fingerprint}"

    @property
    def _more(self) -> str:
        return f"all that was said: `penstock environment logs --fingerprint {self.build.fingerprint}`"

    def _output(self) -> str:
        return self.place.log.read_text(encoding="utf-8", errors="replace")


def _killed(status: int) -> Failure | None:
    if status >= 0:
        return None
    remedy = "if the machine ran out of memory, free some and deploy again"
    return Failure(Code.UNAVAILABLE, f"uv was killed by signal {-status}; {remedy}")


def _other_file(output: str) -> Failure | None:
    package = mismatched(output)
    if package is None:
        return None
    fault = f"the index has another file of {package} than the hash in the requirements, or in the lock, tells"
    return Failure(Code.FAILED, f"{fault}: find out why, and give the hash of the file that you trust")


def _private(file: Path) -> IO[str]:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return open(descriptor, "w", encoding="utf-8")


def _values(packages: Sequence[str], option: str) -> list[str]:
    return [line.partition(" ")[2] for line in packages if line.partition(" ")[0] == option]
