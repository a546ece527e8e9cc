"""What signals do to the real process, and to those that wait for an answer."""

import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from support.http_bytes import requests
from support.running import wait_until

from penstock_worker import contract

StartWorker = Callable[..., Any]  # the fixture in conftest.py

SLOW = """
    import json, os, time
    def init(): pass
    def run(data):
        open(os.environ["HOME"] + "/begun", "w").close()
        time.sleep(json.loads(data))
        return data
"""


def sent(worker: Any, data: bytes) -> socket.socket:
    """A connection on which `data` was sent."""
    client = worker.connect()
    client.sendall(data)
    return client


def test_sigterm_answers_all_that_was_received(start_worker: StartWorker) -> None:
    worker = start_worker(SLOW)
    idle = sent(worker, requests(body=b"0", close=False))
    assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
    (worker.folder / "begun").unlink()
    running = sent(worker, requests(body=b"0.5", close=False))
    wait_until((worker.folder / "begun").exists)
    waiting = [sent(worker, requests(3, body=b"0.05", close=False)) for _ in range(5)]
    assert worker.terminate() == contract.EXIT_OK
    answer = worker.rest_of(running)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert [worker.rest_of(client).count(b"HTTP/1.1 200 ") for client in waiting] == [3] * 5
    assert worker.rest_of(idle) == b""
    for client in (idle, running, *waiting):
        client.close()


def test_a_second_sigterm_ends_the_process_at_once(start_worker: StartWorker) -> None:
    worker = start_worker(SLOW)
    client = sent(worker, requests(body=b"600"))
    wait_until((worker.folder / "begun").exists)
    worker.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert worker.process.poll() is None

    def ended() -> bool:  # two signals that it had not yet heard of would be one
        worker.process.send_signal(signal.SIGTERM)
        return worker.process.poll() is not None

    wait_until(ended)
    assert worker.wait() == -signal.SIGTERM
    client.close()


def test_sigint_ends_the_process_at_once(start_worker: StartWorker) -> None:
    worker = start_worker(SLOW)
    client = sent(worker, requests(body=b"600"))
    wait_until((worker.folder / "begun").exists)
    worker.process.send_signal(signal.SIGINT)
    assert worker.wait() == -signal.SIGINT
    client.close()


def test_a_client_that_leaves_before_its_answer_disturbs_nobody(start_worker: StartWorker) -> None:
    worker = start_worker(SLOW)
    for _ in range(5):
        client = worker.connect()
        client.sendall(requests(10, body=b"0.01"))
        client.shutdown(socket.SHUT_RDWR)
        client.close()
    assert worker.score("0").status == 200
    assert "Traceback" not in worker.log
    assert os.path.exists(worker.socket)
