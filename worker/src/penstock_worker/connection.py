"""One HTTP/1.1 connection: its requests are answered in the order in which they came.

The gateway's connections live long and carry one request at a time; pipelining, slow clients and broken ones are
served correctly, and so that no other connection suffers.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Callable, cast

from penstock_worker.messages import Request, Response
from penstock_worker.request_reader import RequestReader, Waiting
from penstock_worker.wire import LAST_CHUNK, chunk, close_stream, encode, encode_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock_worker.traffic import Traffic

# Counted in sweeps, not in seconds: between two sweeps the loop has read from every socket, however long a run() took.
_IDLE_SWEEPS = 15
_STALLED_SWEEPS = 6
_LINGER_SWEEPS = 2


class Connection(asyncio.Protocol):
    """Reads, and answers through `traffic`, which all connections share."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._reader = RequestReader(traffic)
        self._transport = cast("asyncio.Transport", None)
        self._file: int | None = None  # descriptor of the socket, where answers are written past the transport
        self._queue = self._reader.queue
        self._current: Waiting | None = None  # what is being answered
        self._stream: Iterator[bytes] | None = None  # the pieces of its body that are still to be sent
        self._chunked = True
        self._lingering = False  # the last answer is sent; what the client still sends is thrown away
        self._scheduled = False
        self._paused = False  # the client does not read its answers
        self._ended = False  # the client sends nothing more
        self._quiet = 0
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._file = _own_file(transport)
        self._traffic.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._file = None
        self._queue.clear()
        self._drop_stream()
        self._traffic.leave(self)

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if reader.deaf:
            return
        self._quiet = 0
        reader.feed(data)
        if not self._scheduled:
            self._turn()

    def eof_received(self) -> bool:
        self._ended = True
        return bool(self._queue or self._current)  # True keeps the connection until these are answered

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._schedule()

    def finish(self) -> None:
        """Close now if nothing is under way, else after the last answer. Called once `traffic.stopping` is set."""
        if not (self._queue or self._current or self._reader.receiving or self._paused):
            self._transport.close()

    def sweep(self) -> None:
        """Called regularly: close what has been idle, stalled or lingering for too long."""
        unsent = self._transport.get_write_buffer_size()
        self._quiet = 0 if unsent < self._unsent else self._quiet + 1
        self._unsent = unsent
        if self._lingering or unsent:
            if self._quiet >= (_STALLED_SWEEPS if unsent else _LINGER_SWEEPS):
                self._transport.abort()
        elif self._reader.receiving and self._quiet >= _STALLED_SWEEPS:
            self._reader.refuse(408, "The request did not arrive in time")
            self._schedule()
        elif self._quiet >= _IDLE_SWEEPS and not self._queue and not self._current:
            self._transport.close()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._traffic.loop.call_soon(self._scheduled_turn)

    def _scheduled_turn(self) -> None:
        self._scheduled = False
        self._turn()

    def _turn(self) -> None:
        """Answer the oldest request. The next one waits until the other connections have had their turns."""
        if self._transport.is_closing():
            return
        if self._current is not None:
            self._hold_back()
        elif self._paused:
            self._transport.pause_reading()
        elif self._queue:
            self._begin(self._queue.popleft())
        else:
            self._await_more()

    def _hold_back(self) -> None:
        """While a request is worked on, no more than one read's worth of others is taken in."""
        if self._queue:
            self._transport.pause_reading()
        if self._stream is not None:
            self._send_piece()

    def _begin(self, waiting: Waiting) -> None:
        self._current = waiting
        if isinstance(waiting.message, Request):
            self._traffic.take(waiting.message, self._deliver)
            self._hold_back()
        else:
            self._deliver(waiting.message)

    def _deliver(self, response: Response) -> None:
        """Send the answer to the current request: called once for each, now or later."""
        current = self._current
        if current is None or self._transport.is_closing():
            self._current = None
            close_stream(response.stream)
            return
        message = current.message
        keep = current.keep and (not self._traffic.stopping or bool(self._queue) or self._reader.receiving)
        if response.stream is not None and isinstance(message, Request):
            self._begin_stream(current._replace(keep=keep), response)
            return
        head_only = isinstance(message, Request) and message.method == "HEAD"
        self._send(encode(response, keep=keep, old=current.old, head_only=head_only))
        self._end(current, keep=keep)

    def _end(self, answered: Waiting, *, keep: bool) -> None:
        self._current = None
        if not keep:
            self._queue.clear()
            if isinstance(answered.message, Request):
                self._transport.close()
            else:
                self._linger()
            if self._lingering:
                self._await_more()
        elif self._queue:
            self._transport.pause_reading()
            self._schedule()
        else:
            self._await_more()

    def _begin_stream(self, current: Waiting, response: Response) -> None:
        """Send the head; the pieces follow one by one, so that others have their turns and a slow client holds none."""
        self._chunked = self._reader.takes_chunks()
        if not self._chunked:
            current = current._replace(keep=False)  # the end of the connection is that of the body
        self._send(encode_head(response, keep=current.keep, chunked=self._chunked))
        self._current, self._stream = current, response.stream
        self._schedule()

    def _send_piece(self) -> None:
        stream, current = self._stream, self._current
        if stream is None or current is None or self._paused:
            return  # resume_writing() schedules the next turn
        try:
            piece = self._traffic.next_piece(stream)
        except Exception:  # noqa: BLE001 - the user's code; it has been logged, and the broken body is the answer
            self._stream = self._current = None
            self._transport.abort()
            return
        if piece is not None:
            self._send(chunk(piece) if self._chunked else piece)
            self._schedule()
            return
        self._stream = None
        if self._chunked:
            self._send(LAST_CHUNK)
        self._end(current, keep=current.keep)

    def _drop_stream(self) -> None:
        close_stream(self._stream)
        self._stream = self._current = None

    def _send(self, data: bytes) -> None:
        """Write now what the socket takes; the transport sends the rest when it takes more."""
        if self._file is not None and not self._transport.get_write_buffer_size():
            try:
                sent = os.write(self._file, data)
            except OSError:
                sent = 0  # it takes nothing now; or it is gone, and the transport will find out
            if sent == len(data):
                return
            data = data[sent:]
        self._transport.write(data)

    def _linger(self) -> None:
        # To close while the client is sending would take away the answer before it is read.
        self._lingering = True
        self._quiet = 0
        if self._ended:
            self._transport.close()
        else:
            self._transport.write_eof()

    def _await_more(self) -> None:
        done = self._ended or (self._traffic.stopping and not self._reader.receiving)
        if done and not self._lingering:
            self._transport.close()
            return
        if self._reader.owes_continue:
            self._reader.owes_continue = False
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._transport.resume_reading()


def _own_file(transport: asyncio.BaseTransport) -> int | None:
    """uvloop sends at the end of a turn: an answer would wait for the run() of all other requests of that turn."""
    if not type(transport).__module__.startswith("uvloop"):
        return None
    found = transport.get_extra_info("socket")
    return None if found is None else found.fileno()


def connections(traffic: Traffic) -> Callable[[], Any]:
    """A factory of connections for an asyncio server."""
    return lambda: Connection(traffic)
