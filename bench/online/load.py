"""A load generator over TCP or a unix socket: closed loop (as fast as answers come) and open loop (at a fixed rate)."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to send, and what. `place` is a port of this host, or the path of a unix socket."""

    name: str
    place: int | str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def request(self) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


@dataclass(frozen=True)
class Result:
    """Latencies in seconds, in the order of the answers; `failures` counts answers other than 200."""

    seconds: float
    latencies: Sequence[float]
    failures: int

    @property
    def rate(self) -> float:
        return (len(self.latencies) - self.failures) / self.seconds

    def percentile(self, percent: float) -> float:
        """In milliseconds; not a number if there was no answer."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")


def closed_loop(target: Target, connections: int, seconds: float) -> Result:
    """Each connection sends its next request when the last was answered."""
    return asyncio.run(_closed_loop(target, connections, seconds))


def open_loop(target: Target, rate: float, seconds: float, connections: int = 32) -> Result:
    """Requests are due at a fixed rate; a latency counts from when the request was due, waiting included."""
    return asyncio.run(_open_loop(target, rate, seconds, connections))


async def _closed_loop(target: Target, connections: int, seconds: float) -> Result:
    latencies: list[float] = []
    failures = 0
    began = time.perf_counter()

    async def keep_sending() -> None:
        nonlocal failures
        connection = _Connection(target)
        while (sent := time.perf_counter()) < began + seconds:
            failures += await connection.send() != 200
            latencies.append(time.perf_counter() - sent)
        connection.close()

    await asyncio.gather(*(keep_sending() for _ in range(connections)))
    return Result(time.perf_counter() - began, latencies, failures)


async def _open_loop(target: Target, rate: float, seconds: float, connections: int) -> Result:
    latencies: list[float] = []
    failures = 0
    began = time.perf_counter()
    due = iter([began + number / rate for number in range(int(rate * seconds))])

    async def take_turns() -> None:
        nonlocal failures
        connection = _Connection(target)
        for at in due:
            await asyncio.sleep(at - time.perf_counter())
            failures += await connection.send() != 200
            latencies.append(time.perf_counter() - at)
        connection.close()

    await asyncio.gather(*(take_turns() for _ in range(connections)))
    return Result(time.perf_counter() - began, latencies, failures)


class _Connection:
    """One connection, opened when needed and again when the server has closed it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._request = target.request()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self) -> int:
        """The status of the answer; 0 if there was none."""
        try:
            reader, writer = self._streams or await self._open()
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, length, stays_open = _understood(head)
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            self.close()
            return 0
        if not stays_open:
            self.close()
        return status

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        place = self._target.place
        if isinstance(place, str):
            self._streams = await asyncio.open_unix_connection(place)
        else:
            self._streams = await asyncio.open_connection("127.0.0.1", place)
        return self._streams


def _understood(head: bytes) -> tuple[int, int, bool]:
    """Status, length of the body, and whether the connection may be used again."""
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    return int(lines[0].split()[1]), int(headers["content-length"]), headers.get("connection", "").lower() != "close"
