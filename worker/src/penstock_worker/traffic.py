"""What all connections of an instance share: who answers, the limits, and who is still connected."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Callable, Protocol

from penstock_worker.logs import write_error
from penstock_worker.trace import user_traceback

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from penstock_worker.messages import Request, Response

    Take = Callable[[Request, Callable[[Response], None]], None]


class Swept(Protocol):
    """A connection, as far as the process as a whole is concerned with it."""

    def finish(self) -> None: ...
    def sweep(self) -> None: ...


class Traffic:
    """Requests are answered on the thread of `loop`: `take` is given each, and what to call with its answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Take, max_body_bytes: int) -> None:
        self.loop = loop
        self.take = take
        self.max_body_bytes = max_body_bytes
        self.stopping = False
        self.keeps = True  # connections stay after an answer
        self.open: set[Swept] = set()
        self.left: Callable[[], None] = lambda: None  # called when a connection is gone
        self._emptied: asyncio.Future[None] | None = None

    def next_piece(self, stream: Iterator[bytes]) -> bytes | None:
        """The next piece of a streamed body, None after the last. What the user's code raises is logged, and raised."""
        try:
            return next(stream, None)
        except BaseException as error:
            with suppress(MemoryError):
                write_error(user_traceback(error))
            raise RuntimeError("the stream broke off") from error

    def leave(self, connection: Swept) -> None:
        """Forget a connection that is gone."""
        self.open.discard(connection)
        self.left()
        if self._emptied is not None and not self.open and not self._emptied.done():
            self._emptied.set_result(None)

    def emptied(self) -> asyncio.Future[None]:
        """Done when no connection is left."""
        self._emptied = self.loop.create_future()
        if not self.open:
            self._emptied.set_result(None)
        return self._emptied

    def pause(self, seconds: float) -> asyncio.Future[None]:
        """Done after `seconds`, and not before the loop's next turn."""
        over = self.loop.create_future()
        self.loop.call_later(seconds, over.set_result, None)
        return over

    def sweep(self) -> None:
        """Let every connection look at how long it has been quiet."""
        for connection in list(self.open):
            connection.sweep()

    def sweep_every(self, seconds: float) -> None:
        """From now on."""
        self.sweep()
        self.loop.call_later(seconds, self.sweep_every, seconds)
