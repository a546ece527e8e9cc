"""The place that Azure's own collecting package posts records to: a small HTTP server on the loopback interface.

The package fixes path and headers, so neither a secret nor a unix socket is possible: all that comes is bounded, and
only records of enabled collections are taken.
"""

from __future__ import annotations

import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import httptools

from penstock_worker.record import FRAME, JSON, Record, content_of

if TYPE_CHECKING:
    from penstock_worker.collector import Collector

HOST = "127.0.0.1"
PATH = b"/modeldata/log"

_THREADS = 2
_SECONDS = 5.0  # that one record may take to arrive
_MAX_HEAD_BYTES = 16 * 1024
_MAX_BODY_BYTES = 32 * 1024 * 1024
_TYPE = "azureml.inference."
_OWN = frozenset(
    (b"ce-time", b"ce-type", b"ce-collect-data-type", b"ce-agent", b"ce-x-request-id", b"ce-model-version")
)
_MOST_EXTRA = 20


class Sink:
    """Hands what is posted to `collector`. Records of a time before `since` are of no interest."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.since = 0.0

    def start(self) -> None:
        for number in range(_THREADS):
            threading.Thread(target=self._accept, name=f"penstock-sink-{number}", daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                time.sleep(0.1)  # out of file descriptors: some will be closed
                continue
            with connection:
                try:
                    status = self._receive(connection)
                    connection.sendall(b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
                except (OSError, httptools.HttpParserError):
                    pass  # whoever it was has gone, or speaks something else

    def _receive(self, connection: socket.socket) -> bytes:
        message = _Message()
        parser = httptools.HttpRequestParser(message)
        until, size = time.monotonic() + _SECONDS, 0
        while not message.complete:
            connection.settimeout(max(0.01, until - time.monotonic()))
            data = connection.recv(65536)
            size += len(data)
            if not data:
                return b"400 Bad Request"
            if size > _MAX_BODY_BYTES + _MAX_HEAD_BYTES or (message.in_head and size > _MAX_HEAD_BYTES):
                return b"413 Content Too Large"
            parser.feed_data(data)
        if parser.get_method() != b"POST" or message.url != PATH:
            return b"404 Not Found"
        return self._take(message.headers, b"".join(message.body))

    def _take(self, headers: dict[bytes, bytes], body: bytes) -> bytes:
        kind = _text(headers, b"ce-type")
        collection, correlation = kind[len(_TYPE) :], headers.get(b"ce-x-request-id", b"")
        known = collection in self._collector.collections.rates
        if not kind.startswith(_TYPE) or not known or len(correlation) > 256:
            return b"400 Bad Request"
        try:
            seconds = float(headers.get(b"ce-time", b"")) if b"ce-time" in headers else time.time()
        except ValueError:
            return b"400 Bad Request"
        if not 0 <= seconds < 1 << 40:
            return b"400 Bad Request"
        if seconds >= self.since and self._collector.wants(collection, correlation):
            self._collector.put(
                Record(
                    collection,
                    correlation.decode("latin-1"),
                    "",
                    seconds,
                    len(body),
                    partial(content_of, body),
                    _text(headers, b"ce-collect-data-type") or FRAME,
                    _text(headers, b"content-type") or JSON,
                    _text(headers, b"ce-agent"),
                    _text(headers, b"ce-model-version"),
                    _extra(headers),
                )
            )
        return b"200 OK"


class _Message:
    """A request as the parser tells it."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self.in_head = True
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.complete = True


def _text(headers: dict[bytes, bytes], name: bytes) -> str:
    return headers.get(name, b"").decode("latin-1")


def _extra(headers: dict[bytes, bytes]) -> dict[str, str]:
    """What a script has put into the headers of its correlation context."""
    names = [name for name in headers if name.startswith(b"ce-") and name not in _OWN][:_MOST_EXTRA]
    return {name[3:].decode("latin-1"): headers[name].decode("latin-1") for name in names}
