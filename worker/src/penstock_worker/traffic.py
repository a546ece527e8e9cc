"""What all connections of an instance share: who answers, the limits, and who is still connected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Callable, Protocol

if TYPE_CHECKING:
    from penstock_worker.messages import Request, Response

_set_running_loop = asyncio._set_running_loop  # pyright: ignore[reportPrivateUsage]


class Swept(Protocol):
    """A connection, as far as the process as a whole is concerned with it."""

    def finish(self) -> None: ...
    def sweep(self) -> None: ...


class Traffic:
    """Requests are answered on the thread of `loop`, one at a time."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, answer: Callable[[Request], Response], max_body_bytes: int
    ) -> None:
        self.loop = loop
        self.max_body_bytes = max_body_bytes
        self.stopping = False
        self.open: set[Swept] = set()
        self.empty = asyncio.Event()
        self._answer = answer

    def answer(self, request: Request) -> Response:
        # Scripts may use asyncio.run() in run(), as they can where no loop runs in their thread.
        _set_running_loop(None)
        try:
            return self._answer(request)
        finally:
            _set_running_loop(self.loop)

    def leave(self, connection: Swept) -> None:
        """Forget a connection that is gone."""
        self.open.discard(connection)
        if not self.open:
            self.empty.set()

    def sweep(self) -> None:
        """Let every connection look at how long it has been quiet."""
        for connection in list(self.open):
            connection.sweep()
