"""`WORKER_COUNT`: several processes of one instance, as clients and the platform see them."""

import http.client
import json
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.running import wait_until

from penstock_worker import contract

SCRIPT = """
import json, os, time
home = os.environ["HOME"]
def init():
    with open(home + "/inits", "a") as file: file.write(f"{os.getpid()} ")
def run(data):
    if data == "die": os.kill(os.getpid(), 9)
    with open(home + "/begun", "a") as file: file.write(f"{os.getpid()} ")
    while not os.path.exists(home + "/go"): time.sleep(0.01)
    return os.getpid()
"""


class Held:
    """Requests that are worked on, each by a process of its own, until they are let go."""

    def __init__(self, worker: Any, count: int) -> None:
        self._worker, self._go, begun = worker, worker.folder / "go", worker.folder / "begun"
        self._go.unlink(missing_ok=True)
        begun.write_text("")
        self._connections = []
        for number in range(1, count + 1):
            self._connections.append(worker.begin("POST", "/score", "x"))
            wait_until(lambda number=number: len(begun.read_text().split()) == number)
        self.pids = {int(pid) for pid in begun.read_text().split()}
        assert len(self.pids) == count

    def let_go(self) -> None:
        """Each is answered by who works on it."""
        self._go.touch()
        answers = [self._worker.answered(connection) for connection in self._connections]
        assert {answer.status for answer in answers} == {200}
        assert {int(answer.body) for answer in answers} == self.pids


def test_processes_serve_side_by_side_and_one_that_dies_is_replaced(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(SCRIPT, **{contract.WORKER_COUNT: "3", contract.LOG_BYTES: "1000000"})
    first = Held(worker, 3)
    first.let_go()
    assert len((worker.folder / "inits").read_text().split()) == 3
    report = worker.report()
    assert (report.phase, report.pid) == (contract.READY, worker.process.pid)
    assert report.pid not in first.pids
    assert not list(worker.folder.glob("report.*"))

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        worker.score("die")
    assert worker.score("x").status == 200
    again = Held(worker, 3)
    assert len(again.pids & first.pids) == 2

    # What has been received is answered after SIGTERM, by each of them.
    worker.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)  # it has heard of it, on any but the busiest machine
    again.let_go()
    assert worker.wait() == 0
    assert not worker.socket.exists()


def test_preloading_runs_init_once_and_members_end_with_their_parent(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(SCRIPT, **{contract.WORKER_COUNT: "2", contract.WORKER_PRELOAD: "true"})
    assert (worker.folder / "inits").read_text().split() == [str(worker.process.pid)]
    members = Held(worker, 2)
    members.let_go()
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in members.pids))


def test_an_instance_whose_processes_cannot_load_says_why(start_worker: Callable[..., Any], tmp_path: Any) -> None:
    worker = start_worker(SCRIPT.replace("os.getpid", "None"), ready=False, **{contract.WORKER_COUNT: "2"})
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
    config = '{"SCORING_TIMEOUT_MS": 1000, "AZUREML_LOG_LEVEL": "DEBUG", "SERVICE_NAME": "from file", "ODD": 1}'
    place = start_worker(script).folder / "app"  # a folder that lives as long as the test
    (place / "config.json").write_text(config)
    worker = start_worker(
        script,
        **{contract.APP_ROOT: str(place), contract.SERVICE_NAME: "from environment", contract.ACCESS_LOG: "on"},
    )
    answer = worker.score("1.5")
    assert answer.status == 500
    assert answer.json() == {"message": "Scoring timeout after 1000 ms"}
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert worker.score("0").body == b"{}"
    assert worker.request("GET", "/swagger.json?version=3.1").json()["info"]["title"] == "from environment"  # type: ignore[index]
    asked = " azmlinfsrv - GET /swagger.json?version=3.1 200 "
    wait_until(lambda: asked in worker.log)
    lines = worker.log.splitlines()
    assert any(line.endswith("azmlinfsrv.print - at import-1") for line in lines)
    assert any(line.endswith("azmlinfsrv.mine - told") for line in lines)
    assert any("settings that are not known: ODD" in line for line in lines)
    assert any(" azmlinfsrv - POST /score 500 " in line for line in lines)
    assert sum(asked in line for line in lines) == 1

    (place / "config.json").write_text('{"SCORING_TIMEOUT_MS": "soon"}')
    failed = start_worker(script, ready=False, **{contract.APP_ROOT: str(place)})
    assert failed.wait() == contract.EXIT_CANNOT_LOAD
    assert failed.report().reason == contract.SETTING_INVALID
    assert "SCORING_TIMEOUT_MS='soon' must be a whole number" in failed.report().message


def test_scripts_take_what_waits_in_batches_and_answer_each_for_itself(start_worker: Callable[..., Any]) -> None:
    worker = start_worker(
        """
        import json, os, time
        home = os.environ["HOME"]
        def init(): pass
        def run(data):
            if data == '"bad"': raise ValueError("alone")
            open(home + "/begun", "w").close()
            while not os.path.exists(home + "/go"): time.sleep(0.01)
            return [1, json.loads(data)]
        def run_batch(inputs):
            if '"bad"' in inputs: raise ValueError("one is bad")
            return [KeyError(text) if text == '"odd"' else [len(inputs), json.loads(text)] for text in inputs]
        """
    )
    assert worker.report().batch_requests == 64

    def together(*inputs: Any) -> list[Any]:
        for name in ("begun", "go"):
            (worker.folder / name).unlink(missing_ok=True)
        first = worker.begin("POST", "/score", '"first"')
        wait_until((worker.folder / "begun").exists)
        others = [worker.begin("POST", "/score", json.dumps(each)) for each in inputs]
        (worker.folder / "go").touch()
        assert worker.answered(first).json() == [1, "first"]
        answers = [worker.answered(other) for other in others]
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
    wait_until(lambda: "penstock - ready" in worker.log)  # it is said after it was reported
