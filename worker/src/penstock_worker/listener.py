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
    """A listening socket, and the path that leads to it if it is a unix socket."""

    def __init__(self, bound: socket.socket, path: Path | None = None) -> None:
        self.socket = bound
        self._path = path
        self._inode = None if path is None else os.stat(path).st_ino

    def unlink(self) -> None:
        """Take the path away, so that nobody new connects; unless another process has put its own there."""
        if self._path is None:
            return
        with suppress(OSError):
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)


def listen(address: Path | tuple[str, int]) -> Listener:
    """Listen at a path, in place of a socket that an ended process left, or on host and port. Raises `LoadError`."""
    if isinstance(address, tuple):
        return _listen_on_port(address)
    problem = _problem(address)
    if problem:
        raise LoadError(contract.CANNOT_LISTEN, f"cannot listen on {address}: {problem}")
    try:
        return Listener(_bind(address), address)
    except OSError as error:
        raise LoadError(contract.CANNOT_LISTEN, f"cannot listen on {address}: {error}") from error


def _listen_on_port(address: tuple[str, int]) -> Listener:
    if address[0] == contract.INHERITED:
        return Listener(socket.socket(fileno=address[1]))
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        bound = socket.create_server(address, family=family, backlog=BACKLOG)
    except OSError as error:
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


def _bind(path: Path) -> socket.socket:
    """Bind beside `path` and move there once the socket listens: whoever finds the path can connect."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mask = os.umask(0o177)
        try:
            bound.bind(str(temporary))
        finally:
            os.umask(mask)
        bound.listen(BACKLOG)
        os.replace(temporary, path)
    except OSError:
        bound.close()
        raise
    return bound
