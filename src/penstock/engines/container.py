"""Containers of podman or docker. Each is run by a client that is a process of the local engine.

So marks, logs, exit codes and what is found again after a crash are those of every process. A client passes signals
on; what a killed one leaves behind is removed by the container's id, or at last by its label.
"""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from penstock import durable
from penstock.containers.tool import Tool
from penstock.domain.errors import PenstockError, failed
from penstock.engines.base import Container, Process, ProcessSpec
from penstock.engines.container_command import (
    ContainerFiles,
    Operator,
    client_command,
    container_name,
    environment_file,
    gpu_fault,
    owner_label,
    removal,
)
from penstock.engines.local import LocalEngine

log = logging.getLogger(__name__)

_REMOVAL_LIMIT = timedelta(seconds=60)
_SIGNALS = range(129, 129 + 64)  # exit codes by which a client tells of the signal that ended its container


class ContainerEngine:
    """The processes of `local`, some of which are containers; see `Engine`.

    `tool` finds podman or docker, and raises where there is none; it is not called before the first container.
    `folder` holds the environment and id of each container. Logs that have grown beyond `log_bytes` are begun anew.
    """

    def __init__(
        self, local: LocalEngine, tool: Callable[[], Tool], folder: Path, *, owner: str, log_bytes: int
    ) -> None:
        self._local = local
        self._tool = tool
        self._folder = folder
        self._owner = owner
        self._log_bytes = log_bytes
        self._lock = threading.RLock()
        self._removals = ThreadPoolExecutor(1, thread_name_prefix="containers")
        self._names = {file.name.removesuffix(".env") for file in folder.glob("*.env")}
        self._removed: set[str] = set()
        if folder.exists():
            self._removals.submit(self._sweep)

    def start(self, spec: ProcessSpec) -> Process:
        container = spec.container
        if container is None:
            return self._local.start(spec)
        tool = self._tool()
        with self._lock:
            running = next((p for p in self.inspect() if p.name == spec.name and p.running), None)
            if running is not None:
                return running
            self._write_files(spec)
            self._names.add(spec.name)
            self._removed.discard(spec.name)
            return self._local.start(self._client(spec, container, tool))

    def inspect(self) -> Sequence[Process]:
        with self._lock:
            return [self._seen(process) for process in self._local.inspect()]

    def stop(self, name: str, grace: timedelta) -> None:
        self._local.stop(name, grace)

    def forget(self, name: str) -> None:
        with self._lock:
            left = {process.name for process in self.inspect() if process.running}
            self._local.forget(name)
            if name not in left and name in self._names:
                self._names.discard(name)
                for file in (self._environment(name), self._id(name), self._log(name)):
                    file.unlink(missing_ok=True)

    def close(self) -> None:
        """Begin nothing more in the background; containers go on."""
        self._removals.shutdown(wait=False, cancel_futures=True)

    def _client(self, spec: ProcessSpec, container: Container, tool: Tool) -> ProcessSpec:
        fault = gpu_fault(tool) if container.gpus else None
        if fault is not None:
            raise failed(f"process {spec.name!r} cannot start: it asks for {container.gpus} GPUs, and {fault}")
        operator = Operator(tool=tool, owner=self._owner, uid=os.getuid(), gid=os.getgid())
        environment, id_ = self._environment(spec.name).name, self._id(spec.name).name
        files = ContainerFiles(folder=self._folder, environment=environment, id=id_)
        command = client_command(spec, container, operator, files)
        return replace(spec, argv=("/bin/sh", "-c", command), environment=tool.environ)

    def _write_files(self, spec: ProcessSpec) -> None:
        """The environment may hold secrets, so it is a file of the owner's and not on the command line."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.replace(self._environment(spec.name), environment_file(spec.environment).encode())
        self._log(spec.name).unlink(missing_ok=True)
        self._log(spec.name).symlink_to(spec.log)

    def _seen(self, process: Process) -> Process:
        """A process of the local engine as its container; what an ended one has left is removed, in the background."""
        if process.name not in self._names:
            return process
        if process.running:
            keep_small(self._log(process.name), self._log_bytes)
            return process
        if process.name not in self._removed:
            # By its id: a container of the same name may run before its turn has come.
            self._removed.add(process.name)
            with suppress(OSError):
                self._removals.submit(self._remove, self._id(process.name).read_text().strip())
        code = process.exit_code
        return replace(process, exit_code=128 - code) if code is not None and code in _SIGNALS else process

    def _remove(self, container: str) -> None:
        try:
            remove_containers(self._tool(), [container])
        except PenstockError as err:
            log.warning("a container may be left", extra={"container": container, "error": err.message})

    def _sweep(self) -> None:
        """Remove containers whose client ended while no control plane ran."""
        try:
            tool = self._tool()
            found = owned_containers(tool, self._owner)
            clients = {container_name(self._owner, p.name) for p in self._local.inspect() if p.running}
            remove_containers(tool, [container for container, name in found.items() if name not in clients])
        except PenstockError as err:
            log.warning("containers may be left", extra={"error": err.message})

    def _environment(self, name: str) -> Path:
        return self._folder / f"{name}.env"

    def _id(self, name: str) -> Path:
        return self._folder / f"{name}.id"

    def _log(self, name: str) -> Path:
        """A link to the log, for the control planes to come."""
        return self._folder / f"{name}.log"


def end_owned_containers(owner: str, folder: Path, tool: Callable[[], Tool]) -> list[str]:
    """Remove all containers of `owner`, whose clients have ended, and return their names.

    `folder` is the engine's: if it is not there, there never was a container. Where the tool is gone or does not
    answer, they are left for the next time.
    """
    if not folder.exists():
        return []
    try:
        found = owned_containers(tool(), owner)
        remove_containers(tool(), list(found))
    except PenstockError as err:
        log.warning("containers may be left", extra={"error": err.message})
        return []
    shutil.rmtree(folder, ignore_errors=True)
    return sorted(found.values())


def owned_containers(tool: Tool, owner: str) -> dict[str, str]:
    """Names of all containers of `owner`, running or ended, by their ids."""
    mine = f"label={owner_label(owner)}"
    answer = tool.ask("ps", "--all", "--no-trunc", "--filter", mine, "--format", "{{.ID}} {{.Names}}")
    pairs = (line.split() for line in answer.output.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def remove_containers(tool: Tool, containers: Sequence[str]) -> None:
    """End and remove containers by their ids; fine if they are gone."""
    if containers:
        tool.ask(*removal(tool, *containers), limit=_REMOVAL_LIMIT)


def keep_small(path: Path, limit_bytes: int) -> None:
    """Move what stands in a log that is larger than `limit_bytes` to a file beside it.

    Whoever writes to the end of the log goes on; lines that are written meanwhile may be lost.
    """
    with suppress(OSError):
        if path.stat().st_size <= limit_bytes:
            return
        real = path.resolve()
        shutil.copyfile(real, real.with_name(f"{real.name}.1"))
        os.truncate(real, 0)
