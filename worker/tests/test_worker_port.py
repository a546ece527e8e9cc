"""The worker on a port, as in containers: it serves there as on a socket, and nowhere else."""

import http.client
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_port

from penstock_worker import contract
from penstock_worker.listener import listen
from penstock_worker.variables import read_variables

StartWorker = Callable[..., Any]  # the fixture in conftest.py

ECHO = """
    import json
    def init(): pass
    def run(data): return json.loads(data)
"""


def on_port(port: object) -> dict[str, str]:
    return {contract.SOCKET: "", contract.LISTEN: f"127.0.0.1:{port}"}


def test_a_script_is_served_on_a_port_until_the_worker_is_asked_to_end(start_worker: StartWorker) -> None:
    port = free_port()
    worker = start_worker(ECHO, **on_port(port))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/score", json.dumps([1, 2]), {"Content-Type": "application/json"})
    assert json.loads(connection.getresponse().read()) == [1, 2]
    connection.close()
    assert not worker.socket.exists()
    assert worker.terminate() == contract.EXIT_OK


def test_a_port_that_is_taken_is_named_in_the_report(start_worker: StartWorker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        worker = start_worker(ECHO, ready=False, **on_port(port))
        assert worker.wait() == contract.EXIT_CANNOT_LOAD
    assert worker.report().reason == contract.CANNOT_LISTEN
    assert f"cannot listen on 127.0.0.1:{port}" in worker.report().message


def test_a_socket_is_preferred_to_a_port() -> None:
    both = {contract.SOCKET: "/run/s.sock", contract.LISTEN: "0.0.0.0:5001"}
    assert read_variables(both).address == Path("/run/s.sock")
    assert read_variables({contract.LISTEN: "[::1]:5001"}).address == ("::1", 5001)


@pytest.mark.parametrize("written", ["5001", ":5001", "0.0.0.0:", "0.0.0.0:0", "0.0.0.0:70000", "host:http"])
def test_a_port_that_cannot_be_is_refused(written: str) -> None:
    with pytest.raises(SystemExit, match="is not understood; write for example"):
        read_variables({contract.LISTEN: written})


def test_answers_leave_at_once() -> None:
    bound = listen(("127.0.0.1", free_port())).socket
    with bound, socket.create_connection(bound.getsockname()) as client, bound.accept()[0] as served:
        assert client.getpeername() == bound.getsockname()
        assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
