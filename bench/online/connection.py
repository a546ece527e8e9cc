"""HTTP connections that never block: many of them, watched by one process, with requests that are bytes already."""

import contextlib
import ctypes
import select
import socket
from collections.abc import Iterator

_PR_SET_TIMERSLACK = 29
_LARGEST = 1 << 16


class Connection:
    """One connection, opened when it is first needed and again when the server has closed it."""

    __slots__ = ("_epoll", "_place", "_received", "busy", "due", "number", "sock")

    def __init__(self, place: int | str, epoll: select.epoll) -> None:
        self._place = place
        self._epoll = epoll
        self._received = b""
        self.sock: socket.socket | None = None
        self.busy = False
        self.due = 0.0
        self.number = 0  # of the request under way

    def send(self, request: bytes) -> None:
        self.busy = True
        try:
            sent = (self.sock or self._opened()).send(request)
        except OSError:  # closed by the server while it was idle
            self.close()
            sent = self._opened().send(request)
        if sent != len(request):
            raise SystemExit("a request does not fit the buffer of its socket")

    def receive(self) -> tuple[int, bytes] | None:
        """Status and body once they are whole, status 0 if the server has hung up, None until then."""
        assert self.sock is not None
        try:
            data = self.sock.recv(_LARGEST)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self.close()
            return (0, b"") if self.busy else None
        self._received = received = self._received + data if self._received else data
        split = received.find(b"\r\n\r\n")
        if split < 0:
            return None
        head = received[: split + 2].lower()
        body = _whole(head, received[split + 4 :])
        if body is None:
            return None
        self._received = b""
        self.busy = False
        if b"\r\nconnection: close\r\n" in head:
            self.close()
        return int(received[9:12]), body

    def close(self) -> None:
        self._received = b""
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def _opened(self) -> socket.socket:
        if isinstance(self._place, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(self._place)
        else:
            self.sock = socket.create_connection(("127.0.0.1", self._place), timeout=10)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self._epoll.register(self.sock, select.EPOLLIN)
        return self.sock


class Pool:
    """Connections that are free, and those that wait for an answer."""

    def __init__(self, place: int | str, size: int) -> None:
        # Else the kernel wakes a sleeper up to 50 microseconds late.
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
        self._epoll = select.epoll()
        self.free = [Connection(place, self._epoll) for _ in range(size)]
        self._by_fd: dict[int, Connection] = {}
        self.waiting = 0

    def send(self, request: bytes, due: float, number: int = 0) -> None:
        connection = self.free.pop()
        connection.due, connection.number = due, number
        connection.send(request)
        assert connection.sock is not None
        self._by_fd[connection.sock.fileno()] = connection
        self.waiting += 1

    def answered(self, seconds: float) -> Iterator[tuple[Connection, int, bytes]]:
        """Answers that come within so many seconds; epoll alone would wait in steps of a millisecond."""
        if seconds > 0:
            select.select((self._epoll,), (), (), seconds)
        for fd, _ in self._epoll.poll(0):
            connection = self._by_fd[fd]
            answer = connection.receive()
            if answer is not None:
                connection.busy = False
                self.waiting -= 1
                self.free.append(connection)
                yield connection, *answer

    def pending(self) -> list[Connection]:
        return [connection for connection in self._by_fd.values() if connection.busy]

    def close(self) -> None:
        for connection in {*self.free, *self._by_fd.values()}:
            with contextlib.suppress(OSError):
                connection.close()
        self._epoll.close()


def _whole(head: bytes, rest: bytes) -> bytes | None:
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 : head.index(b"\r\n", at + 2)])
        return rest[:length] if len(rest) >= length else None
    if b"chunked" in head:
        return _joined(rest) if rest.endswith(b"0\r\n\r\n") else None
    raise SystemExit(f"an answer has no length: {head[:300]!r}")


def _joined(chunks: bytes) -> bytes:
    body = b""
    while chunks:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size, 16)
        body, chunks = body + chunks[:length], chunks[length + 2 :]
    return body
