"""What one HTTP/1.1 connection receives: bytes to requests, none of them larger than its head and body may be."""

from __future__ import annotations

from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import httptools

from penstock_worker.messages import Request, Response, message_response
from penstock_worker.wire import split_target

if TYPE_CHECKING:
    from penstock_worker.traffic import Traffic

MAX_HEAD_BYTES = 64 * 1024


class Waiting(NamedTuple):
    """A request to answer, or the refusal of one, and whether the connection stays open afterwards."""

    message: Request | Response
    keep: bool
    old: bool  # an HTTP/1.0 client, which must be told that the connection stays


class _RefusedError(Exception):
    """Stops the parser: the answer is in the queue, and what follows is not read."""


class RequestReader:
    """Puts what has arrived into `queue`, in its order; nothing comes after a refusal."""

    def __init__(self, traffic: Traffic) -> None:
        self.queue: deque[Waiting] = deque()
        self.receiving = False  # a request has begun and is not complete
        self.owes_continue = False
        self.deaf = False  # nothing more is read as a request
        self._traffic = traffic
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0  # bytes of the head, then of the body
        self._in_head = False
        self._fed = 0  # bytes of a head that is not complete

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.deaf = True
        except httptools.HttpParserCallbackError:
            if not self.deaf:
                raise
        except httptools.HttpParserError as error:
            if not self.deaf:
                self.refuse(400, f"The request is not valid HTTP: {error}")
        if self._in_head:
            self._bound_head(len(data))

    def refuse(self, status: int, message: str) -> None:
        """Queue the answer to a request that is not read to its end, and read nothing after it."""
        self.deaf = True
        self.receiving = self._in_head = self.owes_continue = False
        self.queue.append(Waiting(message_response(status, message), keep=False, old=False))

    def takes_chunks(self) -> bool:
        """Whether the client, whose protocol the last request has told, knows the end of a body of unknown length."""
        return self._parser.get_http_version() != "1.0"

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body = []
        self._size = self._fed = 0
        self.receiving = self._in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer
        name = name.lower()
        self._size += len(name) + len(value)
        headers = self._headers
        headers[name] = headers[name] + b"," + value if name in headers else value

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._size > MAX_HEAD_BYTES:
            self._stop(431, f"The request's head is larger than {MAX_HEAD_BYTES} bytes")
        self._size = 0
        length = self._headers.get(b"content-length")
        if length is not None and int(length) > self._traffic.max_body_bytes:
            self._stop_too_large()
        if b"expect" in self._headers and self._headers[b"expect"].lower() == b"100-continue":
            self.owes_continue = True

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._traffic.max_body_bytes:
            self._stop_too_large()
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.receiving = self.owes_continue = False
        parser = self._parser
        keep = self._traffic.keeps and parser.should_keep_alive() and not parser.should_upgrade()
        old = keep and b"connection" in self._headers and parser.get_http_version() == "1.0"
        path, query = split_target(self._url)
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        method = parser.get_method().decode("ascii")
        request = Request(method, path, query, self._headers, body, perf_counter())
        self.queue.append(Waiting(request, keep, old))
        self.deaf = not keep

    def _bound_head(self, received: int) -> None:
        # The exact bound is checked when the head is complete; this one keeps an endless head from filling the memory.
        if self._fed > 2 * MAX_HEAD_BYTES:
            self.refuse(431, f"The request's head is larger than {MAX_HEAD_BYTES} bytes")
        self._fed += received

    def _stop_too_large(self) -> None:
        self._stop(413, f"The request's body is larger than {self._traffic.max_body_bytes} bytes")

    def _stop(self, status: int, message: str) -> None:
        self.refuse(status, message)
        raise _RefusedError
