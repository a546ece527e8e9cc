"""What all connections of an instance share: who answers, the limits, and who is still connected."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Callable, Protocol

from penstock_worker.logs import write_error
from penstock_worker.trace import user_traceback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.messages import Request, Response

    Take = Callable[[Request, Callable[[Response], None]], None]

_set_running_loop = asyncio._set_running_loop  # pyright: ignore[reportPrivateUsage]


class Swept(Protocol):
    """A connection, as far as the process as a whole is concerned with it."""

    def finish(self) -> None: ...
    def sweep(self) -> None: ...


class Traffic:
    """Requests are answered on the thread of `loop`, one at a time or several in one batch."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Take, max_body_bytes: int) -> None:
        self.loop = loop
        self.max_body_bytes = max_body_bytes
        self.stopping = False
        self.open: set[Swept] = set()
        self.empty = asyncio.Event()
        self._take = take

    def take(self, request: Request, deliver: Callable[[Response], None]) -> None:
        """Have `request` answered; `deliver` is called with the answer, now or at the end of this turn of the loop."""
        self.outside_loop(lambda: self._take(request, deliver))

    def later(self, function: Callable[[], None]) -> None:
        """Call `function`, which runs users' code, at the end of this turn of the loop."""
        self.loop.call_soon(self.outside_loop, function)

    def next_piece(self, stream: Iterator[bytes]) -> bytes | None:
        """The next piece of a streamed body, None after the last. What the user's code raises is logged, and raised."""
        _set_running_loop(None)
        try:
            return next(stream, None)
        except BaseException as error:
            with suppress(MemoryError):
                write_error(user_traceback(error))
            raise RuntimeError("the stream broke off") from error
        finally:
            _set_running_loop(self.loop)

    def outside_loop(self, function: Callable[[], Any]) -> None:
        """Scripts may use asyncio.run() in run(), as they can where no loop runs in their thread."""
        _set_running_loop(None)
        try:
            function()
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
