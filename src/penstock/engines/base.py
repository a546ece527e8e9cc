"""The port for placing processes: on this host, in a container, on a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A file or folder of this host that a container sees."""

    source: Path
    target: str  # absolute
    read_only: bool = True


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a process runs in, if not beside the platform's own processes.

    The container may write to its mounts that are not read-only and to /tmp, and to nothing else. It gets no more
    than the memory, CPU and GPUs that are given here.
    """

    image: str  # NAME@sha256:DIGEST, or an image's id
    ports: Mapping[int, int]  # of this host's loopback -> of the container
    mounts: tuple[Mount, ...]
    user: str  # the one that the image is made for; empty: none
    memory_bytes: int
    cpus: float | None = None  # None: all
    gpus: int = 0
    gives_way: bool = False  # to other containers, where there is too little CPU for all


@dataclass(frozen=True, kw_only=True)
class ProcessSpec:
    """What to run. `name` is unique among the engine's processes and derived from what the process is for."""

    name: str
    argv: tuple[str, ...]  # in a container: instead of what the image runs by itself, which empty means
    environment: Mapping[str, str]  # all of it; nothing of the platform's own environment is added
    folder: Path  # working directory
    log: Path  # stdout and stderr are appended here, readable by their owner only
    container: Container | None = None


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as the engine sees it. `exit_code` is None while it runs, or when nobody could see it end."""

    name: str
    pid: int
    started_at: datetime
    running: bool
    exit_code: int | None = None  # negative: the signal that ended it


class Engine(Protocol):
    """Starts, stops and finds processes. All calls return at once and may be repeated; calls may come from any thread.

    Processes outlive the control plane. An engine made anew finds those that an earlier one started for the same
    owner, by marks that the processes carry themselves, so that no crash leaves one behind unseen.
    """

    def start(self, spec: ProcessSpec) -> Process:
        """Start the process, or return the running one of that name. Raises `failed` if it cannot be started."""
        ...

    def inspect(self) -> Sequence[Process]:
        """All processes of this owner: running ones, and ended ones that `forget` has not been called for."""
        ...

    def stop(self, name: str, grace: timedelta) -> None:
        """Ask the process to end; once `grace` has passed since the first call, kill it and all its children.

        Returns at once: call again until `inspect` says that it is not running. Unknown names are fine. Children
        that are left when a process has ended, in whatever way, are killed.
        """
        ...

    def forget(self, name: str) -> None:
        """Drop what is kept of an ended process."""
        ...
