"""The prediction that is tried before the first caller's: what is tried, what is said of it, what ends the process."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock_worker import contract
from penstock_worker.aml_response import AMLResponse
from penstock_worker.failure import LoadError
from penstock_worker.samples import Sample, UnusableSampleError, find_sample
from penstock_worker.script import Script
from penstock_worker.trial import Trial, Tried, try_sample
from penstock_worker.variables import Variables, read_variables

SCRIPT = """
    import json, sys

    def init():
        pass

    def run(raw_data, request_headers):
        rows = json.loads(raw_data)["data"]
        print("scoring", rows, request_headers.get("Content-Type"))
        if rows == "exit":
            sys.exit("no more")
        return {"scores": {1, 2} if rows == "set" else rows}
"""

StartWorker = Callable[..., Any]


@pytest.fixture
def start_with_sample(start_worker: StartWorker, tmp_path: Path) -> StartWorker:
    """A worker of SCRIPT with this sample request, which it must answer first."""

    def start(sample: str, **more: Any) -> Any:
        (tmp_path / "sample.json").write_text(sample)
        variables = {contract.SAMPLE: contract.REQUIRED, contract.SAMPLE_REQUEST: str(tmp_path / "sample.json")}
        return start_worker(SCRIPT, **{**variables, **more})

    return start


def test_the_sample_request_is_answered_before_the_first_caller(start_with_sample: StartWorker) -> None:
    worker = start_with_sample('{"data": [1]}')
    report = worker.report()
    assert report.sample == "sample request sample.json"
    assert 0 < report.sample_seconds < 5
    assert 0 < report.memory_bytes <= report.peak_memory_bytes
    assert report.notices == ()
    assert "scoring [1] application/json" in worker.log
    assert worker.score({"data": [2]}).json() == {"scores": [2]}


def test_a_failing_sample_ends_the_start_in_the_authors_words(start_with_sample: StartWorker) -> None:
    worker = start_with_sample('{"rows": [1]}', ready=False)
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    report = worker.report()
    assert (report.phase, report.reason) == (contract.FAILED, contract.SAMPLE_FAILED)
    assert (
        report.message == "run() in score.py failed on sample request sample.json: KeyError: 'data' (score.py, line 8)"
    )
    assert report.load_seconds > 0
    assert 'rows = json.loads(raw_data)["data"]' in report.traceback
    assert "penstock_worker" not in report.traceback
    assert not worker.socket.exists()


def test_an_output_without_a_json_form_is_named_by_place_and_type(start_with_sample: StartWorker) -> None:
    worker = start_with_sample('{"data": "set"}', ready=False)
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    assert worker.report().reason == contract.OUTPUT_NOT_SERIALISABLE
    assert 'result["scores"] is a set' in worker.report().message


def test_an_exit_in_run_is_a_failure_of_the_sample(start_with_sample: StartWorker) -> None:
    worker = start_with_sample('{"data": "exit"}', ready=False)
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    assert "SystemExit: no more" in worker.report().message


def test_where_another_instance_has_proven_it_a_failure_is_logged_and_the_instance_serves(
    start_with_sample: StartWorker,
) -> None:
    worker = start_with_sample("{}", **{contract.SAMPLE: contract.TRIED})
    assert "KeyError: 'data'" in worker.report().notices[0]
    assert worker.report().sample == ""
    assert "KeyError: 'data'" in worker.log
    assert worker.score({"data": [2]}).status == 200


def test_nothing_is_tried_where_it_is_to_be_skipped(start_with_sample: StartWorker) -> None:
    worker = start_with_sample("{}", **{contract.SAMPLE: contract.SKIPPED})
    assert worker.report().notices == ("the prediction was skipped as asked",)
    assert "scoring" not in worker.log


def test_a_sample_request_that_is_not_there_is_named(start_worker: StartWorker) -> None:
    variables = {contract.SAMPLE: contract.REQUIRED, contract.SAMPLE_REQUEST: "data/request.json"}
    worker = start_worker(SCRIPT, ready=False, **variables)
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    assert worker.report().message.startswith("sample request 'data/request.json' cannot be read: No such file")


# Which request it is.


def variables(folder: Path, **more: str) -> Variables:
    return read_variables({contract.SOCKET: "s", contract.APP_ROOT: str(folder), **more})


def test_a_sample_request_lies_beside_the_script_or_on_top_of_the_model(tmp_path: Path) -> None:
    script, model = tmp_path / "code", tmp_path / "models" / "wine"
    script.mkdir()
    model.mkdir(parents=True)
    found = {contract.ENTRY_SCRIPT: "score.py", contract.MODEL_DIR: str(model.parent)}
    assert find_sample(variables(script, **found), None) is None
    (model / "sample_request.json").write_text("[2]")
    assert find_sample(variables(script, **found), None) == Sample("sample request sample_request.json", b"[2]")
    (script / "sample-request.json").write_text("[1]")
    assert find_sample(variables(script, **found), None) == Sample("sample request sample-request.json", b"[1]")


@pytest.mark.parametrize(
    ("example", "info", "body"),
    [
        pytest.param({"columns": [1], "data": [[1]]}, {"type": "dataframe"}, "dataframe_split", id="a table"),
        pytest.param([{"a": 1}], {"type": "dataframe", "pandas_orient": "records"}, "dataframe_records", id="records"),
        pytest.param([[1, 2]], {"type": "ndarray"}, "inputs", id="an array"),
        pytest.param({"a": 1}, {"type": "json_object"}, "inputs", id="an object"),
    ],
)
def test_an_input_example_of_an_older_mlflow_becomes_a_request(
    tmp_path: Path, example: Any, info: dict[str, str], body: str
) -> None:
    (tmp_path / "input_example.json").write_text(json.dumps(example))
    info = {"artifact_path": "input_example.json", **info}
    found = find_sample(variables(tmp_path, **{contract.MLFLOW_MODEL: str(tmp_path)}), info)
    assert found is not None
    assert (json.loads(found.body), found.from_model) == ({body: example}, True)
    (tmp_path / "input_example.json").write_text(json.dumps({"inputs": example, "params": {"t": 1}}))
    found = find_sample(variables(tmp_path, **{contract.MLFLOW_MODEL: str(tmp_path)}), {**info, "params": "true"})
    assert found is not None
    assert json.loads(found.body) == {body: example, "params": {"t": 1}}


def test_mlflows_own_request_is_taken_as_it_is_and_a_chat_gets_a_key(tmp_path: Path) -> None:
    info = {"artifact_path": "input_example.json", "serving_input_path": "serving_input_example.json"}
    for text, body in (
        ('{ "inputs": 1}', '{ "inputs": 1}'),
        ('{"messages": []}', '{"inputs": {"messages": []}}'),
    ):
        (tmp_path / "serving_input_example.json").write_text(text)
        found = find_sample(variables(tmp_path, **{contract.MLFLOW_MODEL: str(tmp_path)}), info)
        assert found is not None
        assert found.body.decode() == body


@pytest.mark.parametrize(
    ("content", "message"),
    [("x" * 200, "more than 100 bytes"), ("{", "is not JSON"), (None, "cannot be read")],
    ids=["too long", "no json", "not there"],
)
def test_an_example_that_cannot_be_a_request_says_why(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "input_example.json").write_text(content)
    limits = {contract.MLFLOW_MODEL: str(tmp_path), contract.MAX_BODY_BYTES: "100"}
    with pytest.raises(UnusableSampleError, match=message):
        find_sample(variables(tmp_path, **limits), {"artifact_path": "input_example.json", "type": "ndarray"})


# What is made of the answer.

SAMPLE = Sample("sample request s.json", b"{}")


def tried(run: Callable[[str], Any], **more: Any) -> Tried:
    entry = Script(run)
    settings = {"timeout": 30.0, "request_timeout": None, "on_timeout": lambda _: None, **more}
    return try_sample(Trial(entry, "run() in score.py", Path("/code"), None, **settings), SAMPLE)


def test_a_request_that_takes_longer_than_callers_wait_is_noticed() -> None:
    assert "longer than request_timeout_ms (0)" in tried(lambda _: 1, request_timeout=0.0).notices[0]
    assert tried(lambda _: 1, request_timeout=60.0).notices == ()


def test_a_status_of_failure_is_a_failure() -> None:
    with pytest.raises(LoadError, match=r"answered sample request s\.json with status 422: no such column"):
        tried(lambda _: AMLResponse("no such column", 422))
    assert tried(lambda _: AMLResponse("made", 201)).seconds > 0


def test_a_models_output_is_looked_into_as_deep_as_needed() -> None:
    with pytest.raises(LoadError, match=r'result\["a"\]\[1\] is a object '):
        tried(lambda _: {"a": [1, object()]})
    with pytest.raises(LoadError, match=r"result is a dict \(TypeError: keys must be"):
        tried(lambda _: {(1, 2): 3})


def test_a_sample_that_takes_too_long_says_where_it_is() -> None:
    given_up = threading.Event()
    told: list[LoadError] = []

    def give_up(failure: LoadError) -> None:
        told.append(failure)
        given_up.set()

    tried(lambda _: given_up.wait(30), timeout=0.05, on_timeout=give_up)
    assert told[0].reason == contract.SAMPLE_TIMED_OUT
    assert told[0].message == "run() in score.py did not answer sample request s.json within 0.05 s"
    assert "given_up.wait(30)" in told[0].traceback


# The report that says so.


def test_a_report_of_another_version_is_understood_and_nonsense_is_not(tmp_path: Path) -> None:
    path = tmp_path / "report"
    contract.write_report(path, contract.Report(contract.READY, 1, sample="input example", notices=("a", "b")))
    assert contract.read_report(path) == contract.Report(contract.READY, 1, sample="input example", notices=("a", "b"))
    for text, report in (
        ('{"phase": "ready", "pid": 1}', contract.Report(contract.READY, 1)),
        ('{"phase": "ready", "pid": 1, "mood": "good"}', contract.Report(contract.READY, 1)),
        ('{"phase": "ready"}', None),
        ('{"phase": "ready", "pid": 1, "load_seconds": "long"}', None),
        ('{"phase": "ready", "pid": 1, "load_seconds": NaN}', None),
        ('{"phase": "ready", "pid": 1, "notices": [[]]}', None),
        ('{"phase": "ready", "pid": 1, "message": "%s"}' % ("x" * 2_000_000), None),
        ("[]", None),
        ("[" * 100_000, None),
    ):
        path.write_text(text)
        assert contract.read_report(path) == report
