"""Processes found by the marks in their environment: whose they are, and which instance they belong to.

The marks are inherited, so they lead to a process's children too, whatever session these have moved to.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from penstock_worker.contract import INSTANCE, OWNER


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A running process that carries an owner's mark. `pid` and `created` (seconds since 1970) identify it."""

    pid: int
    created: float
    parent: int
    session: int
    name: str | None  # of the instance; None: the owner's, but no instance's

    @property
    def leads_session(self) -> bool:
        return self.session == self.pid


@dataclass(frozen=True, kw_only=True)
class Family:
    """The processes of one instance. Without a leader they are what a dead instance has left behind."""

    leader: Marked | None
    others: tuple[Marked, ...]


def find(owner: str) -> Sequence[Marked]:
    """All running processes of this user that carry the mark of `owner`. Reads all of /proc: some milliseconds."""
    return [marked for pid in psutil.pids() if pid != os.getpid() and (marked := _read(pid, owner)) is not None]


def families(processes: Iterable[Marked]) -> Mapping[str, Family]:
    """The processes by instance.

    Engines start instances as leaders of a session of their own; a child of an instance may lead one too, so the
    oldest leader is the instance.
    """
    by_name: dict[str, list[Marked]] = {}
    for process in sorted(processes, key=lambda p: (p.created, p.pid)):
        if process.name is not None:
            by_name.setdefault(process.name, []).append(process)
    return {name: _family(members) for name, members in by_name.items()}


def topmost(processes: Iterable[Marked]) -> Sequence[Marked]:
    """Those whose parent is not among them: the ones to ask to end, as they end their children in good order."""
    known = list(processes)
    pids = {process.pid for process in known}
    return [process for process in known if process.parent not in pids]


def still(marked: Marked) -> psutil.Process | None:
    """The process if it runs still; None if it has ended, even if its pid has been given to another."""
    try:
        process = psutil.Process(marked.pid)
        same = process.create_time() == marked.created and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def _family(oldest_first: Sequence[Marked]) -> Family:
    leader = next((process for process in oldest_first if process.leads_session), None)
    return Family(leader=leader, others=tuple(process for process in oldest_first if process is not leader))


def _read(pid: int, owner: str) -> Marked | None:
    try:
        process = psutil.Process(pid)
        if process.uids().real != os.getuid():
            return None
        environment = process.environ()
        if environment.get(OWNER) != owner:
            return None
        return Marked(
            pid=pid,
            created=process.create_time(),
            parent=process.ppid(),
            session=os.getsid(pid),
            name=environment.get(INSTANCE),
        )
    except (psutil.Error, OSError):  # ended while being read, a zombie, or not ours to see
        return None
