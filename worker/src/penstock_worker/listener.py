"""Where an instance listens: an owner-only unix socket, never taken from a process that still serves; or a port."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from penstock_worker import contract
from penstock_worker.failure import LoadError

if TYPE_CHECKING:
    from pathlib import Path

BACKLOG = 1024


class Listener:
    """A bound socket; `path` and where it is until `publish`, if it is a unix socket.

    `shared`: other processes accept from it too. So this one had better not keep its connections: they lead to it, busy
    or not, while a new one is accepted by a process that is idle. `alone` is a path for who wants this very process.
    """

    def __init__(
        self, bound: socket.socket, path: Path | None = None, at: Path | None = None, *, shared: bool = False
    ) -> None:
        self.socket = bound
        self.keeps = not shared
        self.alone: Path | None = None
        self._path = path
        self._at = at
        self._inode = None if at is None else os.stat(at).st_ino

    def of_member(self, number: int) -> Listener:
        """The same for one of several processes."""
        listener = Listener(self.socket, shared=True)
        listener.alone = None if self._path is None else contract.member_socket(self._path, number)
        return listener

    def publish(self) -> None:
        """Let clients connect. Raises `LoadError`."""
        try:
            self.socket.listen(BACKLOG)
            if self._at is not None and self._path is not None:
                # Only once it listens: whoever finds the path can connect.
                os.replace(self._at, self._path)
        except OSError as error:
            raise LoadError(contract.CANNOT_LISTEN, f"cannot listen on {self._path}: {error}") from error

    def unlink(self) -> None:
        """Take the path away, so that nobody new connects; unless another process has put its own there."""
        for path in (self._path, self._at):
            with suppress(OSError):
                if path is not None and os.stat(path).st_ino == self._inode:
                    os.unlink(path)


def listen(address: Path | tuple[str, int]) -> Listener:
    """Listen at a path, in place of a socket that an ended process left, or on host and port. Raises `LoadError`."""
    listener = bind(address)
    listener.publish()
    return listener


def bind(address: Path | tuple[str, int]) -> Listener:
    """The same, to be published later."""
    if isinstance(address, tuple):
        return _bind_port(address)
    problem = _problem(address)
    if problem:
        raise LoadError(contract.CANNOT_LISTEN, f"cannot listen on {address}: {problem}")
    try:
        return _bind(address)
    except OSError as error:
        raise LoadError(contract.CANNOT_LISTEN, f"cannot listen on {address}: {error}") from error


def _bind_port(address: tuple[str, int]) -> Listener:
    if address[0] == contract.INHERITED:
        return Listener(socket.socket(fileno=address[1]))
    bound = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise LoadError(contract.CANNOT_LISTEN, f"cannot listen on {address[0]}:{address[1]}: {error}") from error
    # Connections inherit it. asyncio sets it only where it knows the protocol, which it does not of this socket.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Listener(bound)


def _problem(path: Path) -> str:
    """What stands in the way, empty if nothing does."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return ""
    except OSError as error:
        return str(error)
    if not stat.S_ISSOCK(mode):
        return "it exists and is not a socket; remove it"
    return "another process serves there; stop it first" if _answers(path) else ""


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # its backlog is full, or it is another user's: somebody holds it
        return True


def _bind(path: Path) -> Listener:
    """Bind beside `path`, to move there once the socket listens."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mask = os.umask(0o177)
        try:
            bound.bind(str(temporary))
        finally:
            os.umask(mask)
        return Listener(bound, path, temporary)
    except OSError:
        bound.close()
        raise
