"""A steady stream of requests of which each is accounted for: answered right, answered wrong, or lost.

A request is sent again, over a new connection, when its connection is refused, reset or ends before the whole answer;
anything else that is no 200 with the right content within `PATIENCE` is the request's end, and counts against us.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

PATIENCE = 10.0  # seconds from when a request is due in which it is sent again
_LONGEST_ANSWER = 30.0  # seconds
_PAUSE = 0.05  # seconds before a request is sent again
_SHOWN = 120  # characters of an answer that was not the right one

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Caller:
    """What is asked of one endpoint. `key` may change while requests are sent."""

    path: str
    key: str
    ask: Callable[[int], tuple[bytes, Callable[[bytes], bool]]]  # by number: a body, and whether an answer is right

    def request(self, body: bytes) -> bytes:
        head = f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass
class Tally:
    """What became of requests; `resent` of them needed more than one connection."""

    right: int = 0
    wrong: int = 0
    lost: int = 0
    resent: int = 0
    slowest: float = 0.0  # seconds from when it was due to the right answer
    troubles: Counter[str] = field(default_factory=Counter[str])

    @property
    def ended(self) -> int:
        return self.right + self.wrong + self.lost

    def add(self, other: "Tally") -> None:
        self.right += other.right
        self.wrong += other.wrong
        self.lost += other.lost
        self.resent += other.resent
        self.slowest = max(self.slowest, other.slowest)
        self.troubles.update(other.troubles)


class Steady:
    """`rate` requests per second from `connections` kept-alive connections, in a thread of its own.

    Each connection has its own times at which its requests are due. One that is behind sends at once, so a stall costs
    no request: all of them are asked in the end. `tally` counts what ends now and may be replaced at any moment.
    """

    def __init__(self, port: int, callers: Sequence[Caller], rate: float, connections: int) -> None:
        self._port, self._callers, self._rate, self._connections = port, callers, rate, connections
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.tally = Tally()
        self.asked = 0

    def __enter__(self) -> "Steady":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """After the last answer."""
        self._stopped.set()
        self._thread.join()

    def wait_for(self, more: int, timeout: float = 60.0) -> None:
        """Until that many more requests have been answered right."""
        deadline = time.monotonic() + timeout
        target = self.tally.right + more
        while self.tally.right < target:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{target - self.tally.right} of {more} answers have not come within {timeout} s")
            time.sleep(0.01)

    async def _run(self) -> None:
        begun = time.monotonic()
        await asyncio.gather(*(self._connection(number, begun) for number in range(self._connections)))

    async def _connection(self, number: int, begun: float) -> None:
        connection = _Connection(self._port)
        while not self._stopped.is_set():
            due = begun + number / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.asked += 1
            await self._answered(connection, self._callers[number % len(self._callers)], number, due)
            number += self._connections
        connection.close()

    async def _answered(self, connection: "_Connection", caller: Caller, number: int, due: float) -> None:
        body, is_right = caller.ask(number)
        again = 0
        while True:
            try:
                status, answer = await connection.exchange(caller.request(body))
                trouble = "" if status == 200 and is_right(answer) else f"{status} {answer[:_SHOWN]!r}"
                break
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as err:
                connection.close()
                trouble = f"{type(err).__name__}, {'in' if connection.used else 'before'} an exchange"
                if isinstance(err, TimeoutError) or time.monotonic() - due > PATIENCE:
                    status = 0
                    break
                again += 1
                await asyncio.sleep(_PAUSE)
        tally = self.tally
        tally.resent += again > 0
        if not trouble:
            tally.right += 1
            tally.slowest = max(tally.slowest, time.monotonic() - due)
            return
        tally.troubles[f"{caller.path}: {trouble}"] += 1
        if status == 200:
            tally.wrong += 1
        else:
            tally.lost += 1


class _Connection:
    """Opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: Streams | None = None
        self.used = False

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        async with asyncio.timeout(_LONGEST_ANSWER):
            self.used = False
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            self.used = True
            reader, writer = self._streams
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, found, rest = head.partition(b"\r\ncontent-length:")
            answer = await reader.readexactly(int(rest.split(b"\r\n", 1)[0]) if found else 0)
        if b"\r\nconnection: close" in head:
            self.close()
        return int(head[9:12]), answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None
