"""`WORKER_COUNT`: several processes of one instance, as clients and the platform see them."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from penstock_worker import contract

SCRIPT = """
import json, os, time
def init():
    with open(os.environ["HOME"] + "/inits", "a") as file: file.write(f"{os.getpid()} ")
    if os.path.exists(os.environ["HOME"] + "/broken"): raise ValueError("no model")
def run(data):
    if data == "die": os.kill(os.getpid(), 9)
    time.sleep(float(data))
    return os.getpid()
"""


def pids(worker: Any, seconds: float, times: int) -> set[int]:
    with ThreadPoolExecutor(times) as callers:
        answers = list(callers.map(lambda _: worker.score(str(seconds)), range(times)))
    assert {answer.status for answer in answers} == {200}
    return {int(answer.body) for answer in answers}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_processes_serve_side_by_side_and_one_that_dies_is_replaced(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(SCRIPT, **{contract.WORKER_COUNT: "3", contract.LOG_BYTES: "1000000"})
    began = time.monotonic()
    first = pids(worker, 0.5, 3)
    assert len(first) == 3
    assert time.monotonic() - began < 1.4, "three at a time"
    assert len((worker.folder / "inits").read_text().split()) == 3
    report = worker.report()
    assert (report.phase, report.pid) == (contract.READY, worker.process.pid)
    assert report.pid not in first
    assert not list(worker.folder.glob("report.*"))

    with pytest.raises((ConnectionError, OSError, Exception)):
        worker.score("die")
    assert pids(worker, 0.1, 2) < first
    until(lambda: bool(pids(worker, 0.2, 3) - first))

    # What has been received is answered after SIGTERM, by each of them.
    answers: list[Any] = []
    callers = [threading.Thread(target=lambda: answers.append(worker.score("0.6"))) for _ in range(3)]
    for caller in callers:
        caller.start()
    time.sleep(0.3)
    assert worker.terminate() == 0
    for caller in callers:
        caller.join()
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert not worker.socket.exists()


def test_preloading_runs_init_once_and_members_end_with_their_parent(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(SCRIPT, **{contract.WORKER_COUNT: "2", contract.WORKER_PRELOAD: "true"})
    assert (worker.folder / "inits").read_text().split() == [str(worker.process.pid)]
    members = pids(worker, 0.3, 2)
    assert len(members) == 2
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in members))


def test_an_instance_whose_processes_cannot_load_says_why(start_worker: Callable[..., Any], tmp_path: Any) -> None:
    worker = start_worker(SCRIPT.replace("os.environ", "''"), ready=False, **{contract.WORKER_COUNT: "2"})
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    report = worker.report()
    assert (report.phase, report.reason, report.pid) == (
        contract.FAILED,
        contract.SCRIPT_INIT_FAILED,
        worker.process.pid,
    )
    assert "init() in score.py raised TypeError" in report.message
    assert not worker.socket.exists()


def test_settings_are_read_from_the_environment_then_from_config_json(start_worker: Callable[..., Any]) -> None:
    script = """
    import logging, os, time
    print("at import", 1, sep="-")
    def init(): print("in init")
    def run(data):
        logging.getLogger("azmlinfsrv.mine").debug("told")
        time.sleep(float(data))
    """
    config = '{"SCORING_TIMEOUT_MS": 100, "AZUREML_LOG_LEVEL": "DEBUG", "SERVICE_NAME": "from file", "ODD": 1}'
    place = start_worker(script).folder / "app"  # a folder that lives as long as the test
    (place / "config.json").write_text(config)
    worker = start_worker(
        script,
        **{contract.APP_ROOT: str(place), contract.SERVICE_NAME: "from environment", contract.ACCESS_LOG: "on"},
    )
    answer = worker.score("1")
    assert answer.status == 500
    assert answer.json() == {"message": "Scoring timeout after 100 ms"}
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert worker.score("0").body == b"{}"
    assert worker.request("GET", "/swagger.json?version=3.1").json()["info"]["title"] == "from environment"  # type: ignore[index]
    lines = worker.log.splitlines()
    assert any(line.endswith("azmlinfsrv.print - at import-1") for line in lines)
    assert any(line.endswith("azmlinfsrv.mine - told") for line in lines)
    assert any("settings that are not known: ODD" in line for line in lines)
    assert any(" azmlinfsrv - POST /score 500 " in line for line in lines)
    assert sum(" azmlinfsrv - GET /swagger.json?version=3.1 200 " in line for line in lines) == 1

    (place / "config.json").write_text('{"SCORING_TIMEOUT_MS": "soon"}')
    failed = start_worker(script, ready=False, **{contract.APP_ROOT: str(place)})
    assert failed.wait() == contract.EXIT_CANNOT_LOAD
    assert failed.report().reason == contract.SETTING_INVALID
    assert "SCORING_TIMEOUT_MS='soon' must be a whole number" in failed.report().message


def test_scripts_take_what_waits_in_batches_and_answer_each_for_itself(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(
        """
        import json, time
        def init(): pass
        def run(data):
            if data == '"bad"': raise ValueError("alone")
            time.sleep(0.2)
            return [1, json.loads(data)]
        def run_batch(inputs):
            if '"bad"' in inputs: raise ValueError("one is bad")
            return [KeyError(text) if text == '"odd"' else [len(inputs), json.loads(text)] for text in inputs]
        """
    )
    assert worker.report().batch_requests == 64

    def together(*inputs: Any) -> list[Any]:
        with ThreadPoolExecutor(len(inputs) + 1) as callers:
            first = callers.submit(worker.score, '"first"')
            time.sleep(0.1)
            answers = list(callers.map(worker.score, map(json.dumps, inputs)))
            assert first.result().json() == [1, "first"]
        return [answer.json() if answer.status == 200 else answer.status for answer in answers]

    assert together(1, 2, "odd") == [[3, 1], [3, 2], 500]
    assert together(1, "bad") == [[1, 1], 500]


def test_logging_json_replaces_the_form_of_the_lines(start_worker: Callable[..., Any]) -> None:
    place = start_worker("def init(): pass\ndef run(data): pass").folder / "app"
    formatter = {"class": "azureml_inference_server_http.log_config.AMLLogFormatter", "format": "MINE %(message)s"}
    handler = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "mine"}
    told = {
        "version": 1,
        "formatters": {"mine": formatter},
        "handlers": {"mine": handler},
        "loggers": {"azmlinfsrv": {"handlers": ["mine"], "level": "INFO"}},
    }
    (place / "logging.json").write_text(json.dumps(told))
    (place / "score.py").write_text("def init(): print('hello')\ndef run(data): pass")
    worker = start_worker(None, **{contract.APP_ROOT: str(place)})
    assert "MINE hello" in worker.log
    until(lambda: "penstock - ready" in worker.log)  # it is said after it was reported
