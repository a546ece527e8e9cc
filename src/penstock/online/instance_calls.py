"""HTTP to an instance, over its unix socket or port, within bounded time and size."""

import http.client
import socket
import time

_PIECE = 65536


class UnixConnection(http.client.HTTPConnection):
    """To a server that listens on a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection_to(address: str, timeout: float) -> http.client.HTTPConnection:
    """A connection to an address as whereabouts have it: a path, or HOST:PORT. `timeout` bounds each read."""
    if address.startswith("/"):
        return UnixConnection(address, timeout)
    return http.client.HTTPConnection(address, timeout=timeout)


def ask(address: str, method: str, target: str, *, timeout: float, most_bytes: int) -> bytes | None:
    """The body of a 200; None for anything else, for none in time, and for one that is too large.

    An instance runs its users' code: it may answer as slowly and as much as that likes.
    """
    deadline = time.monotonic() + timeout
    connection = connection_to(address, timeout)
    try:
        connection.request(method, target)
        response = connection.getresponse()
        body = b""
        while response.status == http.client.OK and time.monotonic() < deadline and len(body) <= most_bytes:
            piece = response.read1(_PIECE)
            if not piece:
                return body
            body += piece
        return None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
