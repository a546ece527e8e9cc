"""Load from many keep-alive connections, every answer noted: for tests that say that no request is lost."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """One answer, or why there was none (`status` 0 and `fault`)."""

    sent_at: float  # monotonic seconds
    seconds: float
    status: int
    deployment: str = ""
    fault: str = ""


class Load:
    """Sends the same request from `connections` keep-alive connections until `stop`, in a thread of its own."""

    def __init__(
        self,
        port: int,
        path: str,
        headers: Mapping[str, str],
        *,
        body: bytes = b"{}",
        connections: int = 32,
        pause: float = 0.0,
    ) -> None:
        self._port = port
        self._connections = connections
        self._pause = pause
        self.headers = dict(headers)
        self._path = path
        self._body = body
        self._answers: list[Answer] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        self.wait_for(self._connections)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Sequence[Answer]:
        self._stopped.set()
        self._thread.join(timeout=60)
        return self._answers

    def wait_for(self, more: int, timeout: float = 60.0) -> None:
        """Until that many more answers have come."""
        target = len(self._answers) + more
        deadline = time.monotonic() + timeout
        while len(self._answers) < target:
            assert time.monotonic() < deadline, f"only {len(self._answers)} of {target} answers: {self.summary()}"
            time.sleep(0.01)

    def answers(self, since: float = 0.0) -> Sequence[Answer]:
        return [a for a in list(self._answers) if a.sent_at >= since]

    def failures(self) -> Sequence[Answer]:
        return [a for a in list(self._answers) if a.status != 200]

    def summary(self) -> str:
        return str(Counter((a.status, a.deployment, a.fault) for a in list(self._answers)))

    async def _run(self) -> None:
        await asyncio.gather(*(self._connection() for _ in range(self._connections)))

    async def _connection(self) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._stopped.is_set():
            sent_at = time.monotonic()
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", self._port)
                async with asyncio.timeout(30):
                    status, headers = await self._ask(*streams)
                if headers.get("connection", "") == "close":
                    streams[1].close()
                    streams = None
                deployment = headers.get("azureml-model-deployment", "")
                answer = Answer(sent_at, time.monotonic() - sent_at, status, deployment)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as err:
                answer = Answer(sent_at, time.monotonic() - sent_at, 0, fault=type(err).__name__)
                if streams is not None:
                    streams[1].close()
                streams = None
            self._answers.append(answer)
            if self._pause:
                await asyncio.sleep(self._pause)
        if streams is not None:
            streams[1].close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, dict[str, str]]:
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head = f"POST {self._path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(self._body)}\r\n{headers}\r\n"
        writer.write(head.encode() + self._body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        await reader.readexactly(int(found.get("content-length", "0")))
        return int(lines[0].split()[1]), found
