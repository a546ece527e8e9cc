"""Load on an endpoint through the gateway: raw HTTP over kept-alive connections on one asyncio loop, and its times.

It is written to cost little: a request is one write of bytes made beforehand, an answer is scanned for its status and
its end. How much of a core it took is told with every step, so that nobody takes its own limit for the model's.
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import psutil

from penstock.domain.errors import invalid, unavailable
from penstock.domain.observation import Step, percentiles

_LONGEST_ANSWER = 30.0  # seconds after the end of a step
_CONNECT_SECONDS = 5.0
_BROKEN = 0  # the status of what got no answer


@dataclass(frozen=True)
class Target:
    """Where requests go, written out whole; they are sent in turn."""

    host: str
    port: int
    requests: Sequence[bytes]


def target(uri: str, bodies: Sequence[bytes], headers: Mapping[str, str]) -> Target:
    """Requests with `bodies` to a scoring URI. Raises `invalid` for one that is not plain HTTP."""
    parts = urlsplit(uri)
    if parts.scheme != "http" or parts.hostname is None:
        raise invalid(f"load goes to a gateway by http alone, not to {uri}")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{lines}Content-Type: application/json\r\n"
    whole = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    return Target(parts.hostname, parts.port or 80, whole)


def closed_loop(target: Target, connections: int, seconds: float, most_requests: int | None = None) -> "Measured":
    """Each connection sends its next request when it has its answer."""
    return asyncio.run(_closed(target, connections, seconds, most_requests))


def open_loop(target: Target, rate: float, connections: int, seconds: float) -> "Measured":
    """Requests come at random times, `rate` per second on average, whether others are answered or not.

    Times are from when a request was due: waiting for a free connection is part of them.
    """
    return asyncio.run(_open(target, rate, connections, seconds))


@dataclass(frozen=True)
class Measured:
    """Times in seconds of the answers with status 2xx, and how many there were of each status."""

    connections: int
    seconds: float
    times: Sequence[float]
    statuses: Mapping[int, int]
    generator_share: float
    machine_share: float = 0.0
    offered: float = 0.0

    def step(self) -> Step:
        spread = percentiles(list(self.times))
        good = len(self.times)
        return Step(
            connections=self.connections,
            seconds=self.seconds,
            rate=good / self.seconds if self.seconds else 0.0,
            p50=spread.p50 or 0.0,
            p99=spread.p99 or 0.0,
            errors=sum(self.statuses.values()) - good,
            offered=self.offered,
            generator_share=self.generator_share,
            machine_share=self.machine_share,
            statuses={str(status or "broken"): count for status, count in sorted(self.statuses.items())},
        )


class _Connection(asyncio.Protocol):
    """One request at a time. `on_answer(connection, status)` is called with each answer, 0 for a broken connection."""

    def __init__(self, on_answer: Callable[["_Connection", int], None]) -> None:
        self._on_answer = on_answer
        self._transport = cast(asyncio.Transport, None)
        self._received = b""
        self._asked = False
        self.since = 0.0
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes, since: float) -> None:
        self.since, self._asked = since, True
        self._transport.write(request)

    def close(self) -> None:
        self._asked = False
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = _end(received)
        if end < 0 or len(received) < end:
            self._received = received
            return
        self._received = b""
        self._asked = False
        self._on_answer(self, int(received[9:12]) if received[9:12].isdigit() else _BROKEN)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self._asked:
            self._asked = False
            self._on_answer(self, _BROKEN)


def _end(received: bytes) -> int:
    """How long the answer is; -1 while that is not known."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return -1
    lines = received[: head + 2].lower()
    at = lines.find(b"\r\ncontent-length:")
    if at >= 0:
        return head + 4 + int(lines[at + 17 : lines.find(b"\r\n", at + 2)])
    if b"\r\ntransfer-encoding:" not in lines:
        return head + 4
    return len(received) if received.endswith(b"\r\n0\r\n\r\n") else -1


class _Round:
    """What the two loops share: requests in turn, times, and the end."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()
        self.sent = 0
        self.active = 0
        self.idle = asyncio.Event()
        self.clock = time.perf_counter
        self._began = self._cpu = 0.0

    def ask(self, connection: _Connection, since: float) -> None:
        request = self.target.requests[self.sent % len(self.target.requests)]
        self.sent += 1
        self.active += 1
        self.idle.clear()
        connection.ask(request, since)

    def note(self, connection: _Connection, status: int) -> None:
        self.statuses[status] += 1
        if 200 <= status < 300:
            self.times.append(self.clock() - connection.since)
        self.active -= 1
        if not self.active:
            self.idle.set()

    async def connect(self, on_answer: Callable[[_Connection, int], None]) -> _Connection:
        loop = asyncio.get_running_loop()
        host, port = self.target.host, self.target.port
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, made = await loop.create_connection(lambda: _Connection(on_answer), host, port)
        except (OSError, TimeoutError) as err:
            raise unavailable(f"the gateway does not answer at {host}:{port}; see `penstock status`") from err
        return made

    def begin(self) -> float:
        """The moment from which everything counts."""
        psutil.cpu_percent(None)  # the share since the last call
        self._began, self._cpu = self.clock(), time.process_time()
        return self._began

    def measured(self, connections: int, offered: float = 0.0) -> Measured:
        wall = self.clock() - self._began
        share = (time.process_time() - self._cpu) / wall
        machine = psutil.cpu_percent(None) / 100
        return Measured(connections, wall, self.times, self.statuses, share, machine, offered)

    async def end(self, connections: Sequence[_Connection]) -> None:
        """Wait for the answers that are on their way, then leave."""
        if self.active:
            try:
                await asyncio.wait_for(self.idle.wait(), _LONGEST_ANSWER)
            except TimeoutError:
                self.statuses[_BROKEN] += self.active
        for connection in connections:
            connection.close()
        await asyncio.sleep(0)


async def _closed(target: Target, count: int, seconds: float, most: int | None) -> Measured:
    round_ = _Round(target)
    until = float("inf")

    def answered(connection: _Connection, status: int) -> None:
        round_.note(connection, status)
        now = round_.clock()
        if connection.open and now < until and (most is None or round_.sent < most):
            round_.ask(connection, now)

    connections = [await round_.connect(answered) for _ in range(count)]
    until = round_.begin() + seconds
    for connection in connections:
        round_.ask(connection, round_.clock())
    while round_.clock() < until and round_.active:
        try:
            await asyncio.wait_for(round_.idle.wait(), max(0.0, until - round_.clock()))
        except TimeoutError:
            break
    await round_.end(connections)
    return round_.measured(count)


async def _open(target: Target, rate: float, count: int, seconds: float) -> Measured:
    round_ = _Round(target)
    free: deque[_Connection] = deque()
    due: deque[float] = deque()

    def answered(connection: _Connection, status: int) -> None:
        round_.note(connection, status)
        if connection.open and due:
            round_.ask(connection, due.popleft())
        elif connection.open:
            free.append(connection)

    connections = [await round_.connect(answered) for _ in range(count)]
    free.extend(connections)
    began = round_.begin()
    for after in _arrivals(rate, seconds):
        pause = began + after - round_.clock()
        # Behind the schedule, answers are still read between two requests.
        if pause > 0 or not free:
            await asyncio.sleep(max(0.0, pause))
        if free:
            round_.ask(free.popleft(), began + after)
        else:
            due.append(began + after)
    await round_.end(connections)
    if due:
        round_.statuses[_BROKEN] += len(due)
    return round_.measured(count, rate)


def _arrivals(rate: float, seconds: float) -> Iterator[float]:
    """Random moments from the start on, `rate` per second on average."""
    at = random.expovariate(rate)
    while at < seconds:
        yield at
        at += random.expovariate(rate)
