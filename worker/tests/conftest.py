"""The real worker as a process on a unix socket, for the tests that need one."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SOCK_STREAM
from socket import socket as Socket  # noqa: N812 - `socket` is the worker's

import pytest

from penstock_worker import contract

SOURCE = Path(__file__).parent.parent / "src"


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("worker", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path)


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class Worker:
    """A running worker and the folder with its socket, report and log."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def socket(self) -> Path:
        return self.folder / "s.sock"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def report(self) -> contract.Report:
        report = contract.read_report(self.folder / "report")
        assert report is not None
        return report

    def request(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        return self.answered(self.begin(method, path, body, headers))

    def begin(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> UnixConnection:
        """Send a request whose answer is read by `answered`."""
        connection = UnixConnection(self.socket)
        connection.request(method, path, body, headers or {})
        return connection

    def answered(self, connection: UnixConnection) -> Answer:
        """The answer, after which the connection is closed."""
        with closing(connection):
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def score(self, body: object) -> Answer:
        return self.request("POST", "/score", body if isinstance(body, (str, bytes)) else json.dumps(body))

    def raw(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """All that the worker answers to `pieces` until it closes the connection."""
        with connected(self.socket) as client:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause)
            return read_to_end(client)

    def connect(self) -> Socket:
        return connected(self.socket)

    def rest_of(self, client: Socket) -> bytes:
        return read_to_end(client)

    def wait(self) -> int:
        return self.process.wait(timeout=60)

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


StartWorker = Callable[..., Worker]


def connected(path: Path) -> Socket:
    client = Socket(AF_UNIX, SOCK_STREAM)
    client.settimeout(60)
    client.connect(str(path))
    return client


def read_to_end(client: Socket) -> bytes:
    pieces: list[bytes] = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Starts workers: `start_worker(script, ready=True, python=..., NAME=value, ...)`."""
    yield from starting()


@pytest.fixture(scope="module")
def start_lasting_worker() -> Iterator[StartWorker]:
    """The same for workers that several tests ask."""
    yield from starting()


def starting() -> Iterator[StartWorker]:
    started: list[Worker] = []

    def start(script: str | None = None, *, ready: bool = True, python: str = sys.executable, **more: str) -> Worker:
        # A folder of its own under /tmp: paths of unix sockets must be short.
        worker = launch(Path(tempfile.mkdtemp(prefix="psw-")), script, python, more)
        started.append(worker)
        if ready:
            await_ready(worker)
        return worker

    yield start
    for worker in started:
        worker.process.kill()
        worker.process.wait()
        shutil.rmtree(worker.folder, ignore_errors=True)  # a member that ends late takes its own files away


def launch(folder: Path, script: str | None, python: str, more: dict[str, str]) -> Worker:
    app = folder / "app"
    app.mkdir(exist_ok=True)
    if script is not None:
        (app / "score.py").write_text(textwrap.dedent(script))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(SOURCE),
        contract.APP_ROOT: str(app),
        contract.ENTRY_SCRIPT: "score.py",
        contract.SOCKET: str(folder / "s.sock"),
        contract.REPORT: str(folder / "report"),
        contract.LOG: str(folder / "log"),
        **more,
    }
    with open(folder / "log", "ab") as log:
        process = subprocess.Popen(
            [python, "-m", "penstock_worker"],
            cwd=app,
            env=environment,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    return Worker(process, folder)


def await_ready(worker: Worker) -> None:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        report = contract.read_report(worker.folder / "report")
        if report is not None and report.pid == worker.process.pid and report.phase == contract.READY:
            return
        assert worker.process.poll() is None, worker.log
        time.sleep(0.01)
    raise AssertionError(worker.log)
