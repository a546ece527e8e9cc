"""The control planes of one home folder: its main one and a standby, where each is, and which of them leads.

Locks of the kernel say who is there and who leads, so that both end with the process, however that ends.
"""

import fcntl
import json
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from penstock import durable
from penstock.domain.errors import conflict
from penstock.settings import MAIN, STANDBY

_LOCKS: Mapping[str, str] = {MAIN: "server.lock", STANDBY: "standby.lock"}
_LOOK_SECONDS, _LOOKS = 0.02, 25  # at a lock: whoever looks whether somebody is there holds it for a moment


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a control plane is. One that is `leaving` takes no part in anything any more."""

    name: str
    url: str
    gateway_url: str
    pid: int
    leaving: bool = False


@contextmanager
def seat(home: Path, name: str) -> Generator[None]:
    """Be the control plane of that name. Raises `conflict` if there is one."""
    descriptor = os.open(home / _LOCKS[name], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for look in range(_LOOKS):
            if _locked(descriptor):
                break
            if look == _LOOKS - 1:
                what = "a platform" if name == MAIN else "a standby"
                raise conflict(f"{what} runs already for {home}; see `penstock status`")
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        os.close(descriptor)


class LeaderLock:
    """Held by the control plane that leads in this home. What it began goes on until its process ends, so the lock does
    too: whoever takes over from one that hangs ends it first."""

    def __init__(self, home: Path, name: str) -> None:
        self._name = name
        self._descriptor = os.open(home / "leader.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """True if it is ours now."""
        if not _locked(self._descriptor):
            return False
        import psutil  # commands, which only read where a control plane is, need it not

        me = psutil.Process()
        mark = json.dumps({"name": self._name, "pid": me.pid, "created": me.create_time()}).encode()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, mark, 0)
        return True

    def end_holder(self) -> bool:
        """Kill whoever holds it; False if that cannot be found out."""
        import psutil

        try:
            mark: Any = json.loads(os.pread(self._descriptor, 4096, 0))
            holder = psutil.Process(int(mark["pid"]))
            if holder.create_time() != mark["created"]:
                return False
            holder.kill()
        except (ValueError, KeyError, TypeError, psutil.Error):
            return False
        return True

    def close(self) -> None:
        os.close(self._descriptor)


def announce(home: Path, place: Place) -> None:
    """Write where a control plane is."""
    durable.replace(_file(home, place.name), json.dumps(asdict(place)).encode())


def withdraw(home: Path, name: str, leader_file: Path) -> None:
    """Take back what this very process has announced."""
    for file in (_file(home, name), leader_file):
        if _read(file).get("pid") == os.getpid():
            file.unlink(missing_ok=True)


def alone_from_now(home: Path, name: str) -> bool:
    """Say that this control plane is leaving; True if no other is there that stays. Of two that leave at the same
    time, the second one is alone."""
    with durable.only_one_below(home):
        mine = found(home, name)
        if mine is not None:
            announce(home, replace(mine, leaving=True))
        others = [place for place in control_planes(home) if place.name != name]
    return all(place.leaving for place in others)


def found(home: Path, name: str) -> Place | None:
    """What the control plane of that name has announced, be it there still or not."""
    try:
        return Place(**_read(_file(home, name)))
    except TypeError:
        return None


def control_planes(home: Path) -> Sequence[Place]:
    """Those that are there."""
    places = [found(home, name) for name in _LOCKS if _taken(home / _LOCKS[name])]
    return [place for place in places if place is not None]


def leader(server_file: Path) -> Place | None:
    """The one that leads, or did so last."""
    try:
        return Place(**_read(server_file))
    except TypeError:
        return None


def urls(home: Path, server_file: Path) -> Sequence[str]:
    """Where a control plane may answer, the leader first."""
    told = [_read(file).get("url") for file in (server_file, *(_file(home, name) for name in _LOCKS))]
    return list(dict.fromkeys(url for url in told if isinstance(url, str)))


def _file(home: Path, name: str) -> Path:
    return home / f"{name}.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        content: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast(dict[str, Any], content) if isinstance(content, dict) else {}


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
