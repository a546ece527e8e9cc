"""The real process: how it starts, fails, serves, logs and stops."""

import concurrent.futures
import http.client
import importlib.metadata
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.http_bytes import requests
from support.ports import free_port

from penstock_worker import contract

StartWorker = Callable[..., Any]  # the fixture in conftest.py

ECHO = """
    import json
    def init(): print("init was called")
    def run(data): return json.loads(data)
"""


def log_has(worker: Any, text: str) -> bool:
    deadline = time.monotonic() + 60
    while text not in worker.log and time.monotonic() < deadline:
        time.sleep(0.01)
    return text in worker.log


def test_a_script_is_served_and_reported(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO)
    assert worker.report().phase == contract.READY
    assert worker.report().pid == worker.process.pid
    assert stat.S_IMODE(worker.socket.stat().st_mode) == 0o600
    answer = worker.score({"a": [1, "é"]})
    assert (answer.status, answer.json()) == (200, {"a": [1, "é"]})
    assert answer.headers["x-ms-run-function-failed"] == "False"
    health = worker.request("GET", "/")
    assert (health.status, health.body) == (200, b"Healthy")
    assert health.headers["content-type"].startswith("text/html")
    assert worker.request("GET", "/ready").status == 200
    assert worker.request("GET", "/swagger.json").json()["swagger"] == "2.0"
    assert "init was called\n" in worker.log
    assert worker.terminate() == contract.EXIT_OK
    assert not worker.socket.exists()


def test_a_worker_in_a_container_listens_on_a_port(start_worker: StartWorker) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        listen = {contract.SOCKET: "", contract.LISTEN: f"127.0.0.1:{port}"}
        refused = start_worker(ECHO, ready=False, **listen)
        assert refused.wait() == contract.EXIT_CANNOT_LOAD
        assert refused.report().reason == contract.CANNOT_LISTEN
    worker = start_worker(ECHO, **listen)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/score", "[1]")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"[1]")
    connection.close()
    assert worker.terminate() == contract.EXIT_OK


@pytest.mark.parametrize("listen", ["", "5001", ":5001", "0.0.0.0:", "0.0.0.0:70000", "localhost:http"])
def test_an_address_that_is_none_ends_the_worker_with_its_name(start_worker: StartWorker, listen: str) -> None:
    worker = start_worker(ECHO, ready=False, **{contract.SOCKET: "", contract.LISTEN: listen})
    assert worker.wait() != 0
    assert contract.LISTEN in worker.log or contract.SOCKET in worker.log


def test_a_script_that_fails_to_load_is_reported_with_the_exit_code_for_it(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        import threading, time
        def init():
            threading.Thread(target=time.sleep, args=(60,)).start()
            raise ValueError("no model here")
        def run(data): pass
        """,
        ready=False,
    )
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    report = worker.report()
    assert (report.phase, report.reason) == (contract.FAILED, contract.SCRIPT_INIT_FAILED)
    assert report.message == "init() in score.py raised ValueError: no model here (score.py, line 5)"
    assert "in init" in report.traceback
    assert report.traceback in worker.log
    assert not worker.socket.exists()


def test_a_script_that_eats_memory_is_told_the_limit_and_its_own_line(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        def init():
            return bytearray(1 << 30)
        def run(data): pass
        """,
        ready=False,
        **{contract.MEMORY_BYTES: str(300 << 20)},
    )
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    report = worker.report()
    assert report.reason == contract.MEMORY_LIMIT_EXCEEDED
    assert "314,572,800 bytes" in report.message
    assert "(score.py, line 3)" in report.message


def test_the_worker_does_not_import_from_the_users_folder(start_worker: StartWorker) -> None:
    worker = start_worker(ready=False)
    worker.wait()
    for name in ("asyncio", "json", "httptools", "logging"):
        (worker.folder / "app" / f"{name}.py").write_text("raise SystemExit('shadowed')")
    (worker.folder / "app" / "score.py").write_text("def init(): pass\ndef run(data): return 1\n")
    again = start_worker(ECHO, **{contract.APP_ROOT: str(worker.folder / "app")})
    assert again.score(1).json() == 1


def test_a_missing_or_wrong_variable_is_named(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO, ready=False, **{contract.LOG_BYTES: "many"})
    assert worker.wait() == 1
    assert "PENSTOCK_LOG_BYTES='many' is not a whole number" in worker.log


def test_the_version_is_that_of_the_distribution() -> None:
    assert importlib.metadata.version("penstock-worker") == contract.VERSION


def test_a_stale_socket_is_replaced_and_a_served_one_is_not_taken(start_worker: StartWorker, tmp_path: Path) -> None:
    first = start_worker(ECHO)
    second = start_worker(ECHO, ready=False, **{contract.SOCKET: str(first.socket)})
    assert second.wait() == contract.EXIT_CANNOT_LOAD
    assert second.report().reason == contract.CANNOT_LISTEN
    assert "another process serves there" in second.report().message
    first.process.kill()
    first.process.wait()
    assert first.socket.exists()
    start_worker(ECHO, **{contract.SOCKET: str(first.socket)})
    assert first.score(1).json() == 1


def test_a_file_in_the_sockets_place_is_left_alone(start_worker: StartWorker, tmp_path: Path) -> None:
    precious = tmp_path / "file"
    precious.write_text("precious")
    worker = start_worker(ECHO, ready=False, **{contract.SOCKET: str(precious)})
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    assert precious.read_text() == "precious"


def test_a_log_that_cannot_be_written_does_not_keep_answers_back(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        import os
        def init():
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, 1)
            os.dup2(full, 2)
        def run(data): raise ValueError("not logged")
        """
    )
    assert [worker.score(1).status for _ in range(3)] == [500, 500, 500]
    assert worker.request("GET", "/").status == 200


def test_run_may_use_asyncio_of_its_own(start_worker: StartWorker) -> None:
    worker = start_worker(
        """
        import asyncio
        def init(): pass
        async def think(): await asyncio.sleep(0); return 42
        def run(data): return asyncio.run(think())
        """
    )
    assert [worker.score(1).json() for _ in range(3)] == [42, 42, 42]


def test_a_failing_run_leaves_its_traceback_in_the_log_alone(start_worker: StartWorker) -> None:
    worker = start_worker("def init(): pass\ndef run(data):\n    raise SystemExit(data)")
    answer = worker.score("secret")
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert log_has(worker, "SystemExit: secret")
    assert worker.process.poll() is None


def test_bodies_beyond_the_limit_are_refused_while_the_client_is_sending(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO, **{contract.MAX_BODY_BYTES: "1000"})
    answer = worker.score(b"1" * 5_000_000)
    assert answer.status == 413
    assert "1000 bytes" in answer.json()["message"]
    assert worker.score("1").status == 200


def test_large_bodies_pass_whole(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO)
    text = "x" * 9_000_000
    assert worker.score({"a": text}).json() == {"a": text}


def test_broken_and_slow_clients_do_not_hurt_others(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO)
    half = [worker.connect() for _ in range(50)]
    for number, client in enumerate(half):
        client.sendall(requests(body=b"x" * 1000)[: 20 + number])
    greedy = worker.connect()
    greedy.sendall(requests(20, body=b'"' + b"x" * 200_000 + b'"')[:300_000])
    for gone in half[:25]:
        gone.close()
    assert worker.raw(b"\x00\xff\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert all(worker.score(number).json() == number for number in range(20))
    for client in (*half[25:], greedy):
        client.close()
    assert worker.score(1).status == 200
    assert worker.terminate() == contract.EXIT_OK


@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="the kernel has no such ranking")
def test_the_kernel_prefers_an_instance_to_the_platform(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO)
    assert int(Path(f"/proc/{worker.process.pid}/oom_score_adj").read_text()) >= 500


def test_many_clients_at_once_get_their_own_answers(start_worker: StartWorker) -> None:
    worker = start_worker(ECHO)

    def talk(client: int) -> list[object]:
        return [worker.score([client, number]).json() for number in range(20)]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for client, answers in enumerate(pool.map(talk, range(16))):
            assert answers == [[client, number] for number in range(20)]
