"""What an instance tells the platform's doctor: what run() does besides computing, facts, and metrics."""

import json
from collections.abc import Callable, Mapping
from typing import Any

StartWorker = Callable[..., Any]  # the fixture in conftest.py

BUSY = """
import os, socket, subprocess, sys, threading

def init():
    global listener
    with open("weights.bin", "wb") as file:
        file.write(b"x" * 100_000)
    listener = socket.create_server(("127.0.0.1", 0))

def elsewhere():
    open("score.py").close()

def run(raw_data):
    if raw_data == "quiet":
        return 1
    with open("weights.bin", "rb") as file:
        data = file.read()
    import colorsys
    socket.create_connection(listener.getsockname()).close()
    subprocess.run([sys.executable, "-c", "0", "--password=secret"], check=True)
    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    return len(data)
"""


def traced(worker: Any) -> Mapping[str, Any]:
    told: dict[str, Any] = json.loads(worker.request("GET", "/trace").body)
    return {**told, "happenings": {each["kind"]: each for each in told["happenings"]}}


def test_a_trace_names_file_line_and_size_of_what_run_does(start_worker: StartWorker) -> None:
    worker = start_worker(BUSY)
    lines = BUSY.splitlines()

    def line(text: str) -> int:
        return next(number for number, each in enumerate(lines, 1) if text in each)

    worker.score("before it was asked for")
    assert worker.request("GET", "/trace").json() == {
        "runs": 0,
        "requests": 0,
        "dropped": 0,
        "read_bytes": 0,
        "happenings": [],
    }
    assert worker.request("POST", "/trace?seconds=30").status == 200
    for body in ("a", "b", "quiet", "c"):
        worker.score(body)
    told = traced(worker)
    assert (told["runs"], told["requests"]) == (4, 4)
    assert 300_000 <= told["read_bytes"] < 1_000_000
    found = told["happenings"]
    assert set(found) == {"file", "connection", "process"}  # colorsys was imported before the trace began

    weights = found["file"]
    assert (weights["file"], weights["line"], weights["function"]) == ("score.py", line('"rb"'), "run")
    assert (weights["names"], weights["count"], weights["runs"], weights["bytes"]) == (["weights.bin"], 3, 3, 300_000)
    assert found["connection"]["line"] == line("create_connection")
    assert found["process"]["line"] == line("subprocess.run")
    assert "secret" not in json.dumps(told)


def test_an_import_in_run_is_one_happening_with_all_that_it_reads(start_worker: StartWorker) -> None:
    worker = start_worker("def init(): pass\n\ndef run(raw_data):\n    import sqlite3\n    return 1\n")
    worker.request("POST", "/trace?seconds=30")
    worker.score("")
    worker.score("")
    told = traced(worker)
    assert set(told["happenings"]) == {"import"}
    imported = told["happenings"]["import"]
    assert (imported["file"], imported["line"], imported["runs"]) == ("score.py", 4, 1)
    assert imported["names"] == ["sqlite3"]
    assert imported["bytes"] > 1000


def test_a_trace_ends_by_itself_and_changes_no_answer(start_worker: StartWorker) -> None:
    worker = start_worker(BUSY)
    worker.request("POST", "/trace?seconds=0")
    assert worker.score("a").json() == 100_000
    assert traced(worker)["runs"] == 0
    assert worker.request("POST", "/trace?seconds=much").status == 400
    assert worker.request("POST", "/metrics").status == 405


def test_facts_and_the_sample_are_told(start_worker: StartWorker) -> None:
    worker = start_worker(BUSY, OMP_NUM_THREADS="7")
    facts: Any = worker.request("GET", "/facts").json()
    assert (facts["kind"], facts["batch_rows"], facts["estimators"]) == ("script", 0, [])
    assert facts["thread_variables"] == {"OMP_NUM_THREADS": "7"}
    assert facts["threads"] >= 1 <= facts["cores"]
    assert facts["memory_bytes"] > 1_000_000
    assert worker.request("GET", "/sample").status == 404
    (worker.folder / "app" / "sample-request.json").write_text('{"a": 1}')
    assert worker.request("GET", "/sample").json() == {"a": 1}


def test_metrics_count_every_request_by_its_status_and_time(start_worker: StartWorker) -> None:
    script = """
        from azureml.contrib.services.aml_response import AMLResponse

        def init(): pass

        def run(raw_data):
            if raw_data == "teapot":
                return AMLResponse("short", 418)
            return 1 / len(raw_data)
    """
    worker = start_worker(script)
    for body in ("teapot", "", b"\xff", *(["x"] * 600)):
        worker.score(body)
    lines = worker.request("GET", "/metrics").body.decode().splitlines()
    told = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert told['penstock_requests_total{status="2xx"}'] == "600"
    assert told['penstock_requests_total{status="4xx"}'] == "2"
    assert told['penstock_requests_total{status="5xx"}'] == "1"
    assert told["penstock_rows_total"] == "601"
    assert told['penstock_batch_requests_bucket{le="1"}'] == "601"
    assert told['penstock_stage_seconds_count{stage="run"}'] == "601"
    summed = float(told['penstock_stage_seconds_sum{stage="run"}'])
    assert summed >= 300 * float(told['penstock_stage_seconds{stage="run",quantile="0.5"}']) > 0
    assert float(told["penstock_cpu_seconds_total"]) > 0
    spans = json.loads(worker.request("GET", "/stages?since=599").body)
    assert (spans["answered"], len(spans["spans"])) == (601, 2)
