"""Instances in threads of the test, and clients that keep asking, for the gateway's contract."""

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path


@dataclass
class Instance:
    """Answers its name on a unix socket or a free port. Headers of a request say what else to do: x-status, x-sleep
    (for so many seconds, but no longer than until `wake`), x-halves (half of the answer is sent before that sleep)."""

    name: str
    path: Path | None = None
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list[tuple[str, dict[str, str], bytes]])
    connections: set[socket.socket] = field(default_factory=set[socket.socket])

    def __post_init__(self) -> None:
        if self.path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
        else:
            self.path.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self.path))
        self._listener.listen(200)
        self._woken, self._closed = threading.Event(), False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return str(self.path) if self.path is not None else f"127.0.0.1:{self._listener.getsockname()[1]}"

    def wake(self) -> None:
        """Answer all that sleeps, and sleep no more."""
        self._woken.set()

    def close(self) -> None:
        """End as `kill -9` would: connections break, and the socket's file stays."""
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(5)  # the acceptor: no connection comes after it
        self._listener.close()
        for connection in list(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.wake()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                self.connections.add(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader, suppress(OSError, ValueError):
            while line := reader.readline():
                headers = _headers(reader)
                body = _body(reader, headers)
                self.seen.append((line.decode().strip(), headers, body))
                halves = "x-halves" in headers
                if not halves:
                    self._sleep(headers)
                answer = json.dumps({"name": self.name, "length": len(body)}).encode()
                status = headers.get("x-status", "200")
                length = f"content-length: {len(answer)}\r\n" if status != "204" else ""
                head = f"HTTP/1.1 {status} Said\r\n{length}\r\n"
                whole = head.encode() + (answer if length else b"")
                connection.sendall(whole[:-5] if halves else whole)
                if halves:
                    self._sleep(headers)
                    connection.sendall(whole[-5:])
        self.connections.discard(connection)

    def _sleep(self, headers: Mapping[str, str]) -> None:
        self._woken.wait(float(headers.get("x-sleep", 0)))
        if self._closed:
            raise ConnectionError


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def name(self) -> str:
        return str(json.loads(self.body)["name"])

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["error"]["code"])


@dataclass
class Client:
    """One keep-alive connection to the gateway."""

    port: int
    key: str = "k1"

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)

    def score(self, body: bytes = b"{}", endpoint: str = "fraud", **headers: str) -> Answer:
        return self.ask("POST", f"/endpoints/{endpoint}/score", body, **headers)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        sent = {"Authorization": f"Bearer {self.key}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        try:
            self.connection.request(method, path, body, sent)
            response = self.connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        self.connection.close()


class Load:
    """Clients in threads that ask without a pause, until the `with` block ends."""

    def __init__(self, port: int, *, clients: int = 4, key: Callable[[], str] = lambda: "k1", **headers: str) -> None:
        self.answers: Counter[tuple[int, str]] = Counter()
        self.faults: list[str] = []
        self._headers, self._key, self._port = headers, key, port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    @property
    def failures(self) -> list[str]:
        return self.faults + [f"{answer}: {n}" for answer, n in self.answers.items() if answer[0] != 200]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def wait_for(self, more: int) -> None:
        """Return when `more` further answers have come."""
        goal, deadline = self.answers.total() + more, time.monotonic() + 60
        while self.answers.total() < goal and not self.faults and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run(self) -> None:
        client = Client(self._port)
        while not self._stop.is_set():
            client.key = self._key()
            try:
                answer = client.score(b'{"x": 1}', **self._headers)
                self.answers[answer.status, answer.headers.get("azureml-model-deployment", "")] += 1
            except (OSError, http.client.HTTPException) as err:
                self.faults.append(repr(err))
        client.close()


def _headers(reader: BufferedReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return headers


def _body(reader: BufferedReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return reader.read(int(headers.get("content-length", 0)))
    body = b""
    while size := int(reader.readline(), 16):
        body += reader.read(size)
        reader.readline()
    reader.readline()
    return body
