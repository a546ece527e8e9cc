"""Accepting where several processes share a socket: one connection at a time, so that who is idle takes the next."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import asyncio
    import socket

_PATIENCE = 0.05  # seconds for a connection's request to come, before another one is accepted


class Turns:
    """Accepts from `listening` for `loop`. `is_idle` tells whether all connections have been served and closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        connections: Callable[[], Any],
        is_idle: Callable[[], bool],
    ) -> None:
        listening.setblocking(False)
        self._loop = loop
        self._socket = listening
        self._connections = connections
        self._is_idle = is_idle
        self._open = True
        self._resume()

    def look(self) -> None:
        """A connection is closed: it may be time for the next one."""
        if self._is_idle():
            self._resume()

    def accept_all(self) -> None:
        """Those that wait already, and no more after these: the others end too."""
        self._open = False
        self._loop.remove_reader(self._socket)
        while self._accept():
            pass

    def close(self) -> None:
        self.accept_all()
        self._socket.close()

    def _resume(self) -> None:
        if self._open:
            self._loop.add_reader(self._socket, self._take_one)

    def _take_one(self) -> None:
        if self._accept():
            self._loop.remove_reader(self._socket)
            self._loop.call_later(_PATIENCE, self._resume)

    def _accept(self) -> bool:
        with suppress(OSError):  # another process was faster, or the client has gone
            accepted, _ = self._socket.accept()
            accepted.setblocking(False)
            # The task is kept by the loop until it has run, in its next turn.
            self._loop.create_task(self._loop.connect_accepted_socket(self._connections, accepted))
            return True
        return False
