"""Accepting all connections that wait: uvloop takes one in a turn of the loop, however long the run() in it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import asyncio
    import socket

_MOST = 256  # in one turn, so that those who have asked get their answers too


class Acceptor:
    """Accepts from `listening` for `loop`, until it is closed."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, listening: socket.socket, connections: Callable[[], Any]
    ) -> None:
        listening.setblocking(False)
        self._loop = loop
        self._socket = listening
        self._connections = connections
        loop.add_reader(listening, self._accept)

    def close(self) -> None:
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _accept(self) -> None:
        for _ in range(_MOST):
            try:
                accepted, _address = self._socket.accept()
            except OSError:
                return  # nobody waits; or there are too many open files, and the loop asks again
            accepted.setblocking(False)
            # The task is kept by the loop until it has run, in its next turn.
            self._loop.create_task(self._loop.connect_accepted_socket(self._connections, accepted))
