"""What is said of an instance's start: while it goes on, when it has gone well, when it has not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.online import an_instance

from penstock.domain.deployment import OnlineDeployment
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.domain.resource import Condition, Truth, with_condition
from penstock.domain.samples import sample_request
from penstock.online.preflight import best, cannot_start, told, too_slow
from penstock.online.samples import sample_variables
from penstock.online.verdicts import Row, failure_rows, start_rows
from penstock_worker import contract

MEBIBYTE = 2**20


def a_report(phase: str = contract.READY, **facts: Any) -> contract.Report:
    return contract.Report(phase, 1, **{"load_seconds": 1.207, "memory_bytes": 130 * MEBIBYTE, **facts})


@pytest.mark.parametrize(
    ("report", "reason", "message"),
    [
        pytest.param(None, "Loading", "the first instance is loading the model", id="nothing yet"),
        pytest.param(
            a_report(contract.LOADING, sample="input example"),
            "Trying",
            "loaded in 1.21 s with 130 MiB; the input example is being tried",
            id="loaded, and trying",
        ),
        pytest.param(
            a_report(sample="input example", sample_seconds=0.0041),
            "Scored",
            "loaded in 1.21 s with 130 MiB; input example scored in 4.1 ms",
            id="scored",
        ),
        pytest.param(
            a_report(notices=("the prediction was skipped as asked",)),
            "Loaded",
            "loaded in 1.21 s with 130 MiB; the prediction was skipped as asked",
            id="skipped",
        ),
        pytest.param(contract.Report(contract.READY, 1), "Loaded", "loaded", id="a server that measures nothing"),
    ],
)
def test_a_start_is_told_with_its_times(report: contract.Report | None, reason: str, message: str) -> None:
    assert told(report) == (reason, message)


def test_the_report_of_a_ready_instance_counts_before_those_that_start() -> None:
    loading, ready = a_report(contract.LOADING), a_report()
    assert best([None, loading, ready]) is ready
    assert best([None, loading]) is loading
    assert best([None, a_report(contract.FAILED)]) is None


def test_an_end_is_told_by_what_was_going_on() -> None:
    died = cannot_start(an_instance(0), contract.Report(contract.LOADING, 1), "log", MEBIBYTE)
    assert died.message == "the process has ended while the model was being loaded"
    died = cannot_start(an_instance(0), a_report(contract.LOADING, sample="input example"), "log", MEBIBYTE)
    assert died.message == "the process has ended while the input example was being tried"
    late = too_slow(an_instance(0), a_report(contract.LOADING, sample="input example"), timedelta(seconds=310))
    assert "did not answer the input example before 310 s" in late.message
    assert "init() must return" in too_slow(an_instance(0), None, timedelta(seconds=310)).message


# What an instance is told of the sample.


def a_spec(script: str = "score.py", **properties: str) -> OnlineDeployment:
    code = {"code": "artifact:x/code", "scoring_script": script}
    named = {f"penstock.{name}": value for name, value in properties.items()}
    return parse(OnlineDeployment, {"name": "blue", "code_configuration": code, "properties": named}, "test")


def test_the_first_instance_of_a_revision_must_predict_and_the_others_try() -> None:
    assert sample_variables(a_spec(), proving=True)[contract.SAMPLE] == contract.REQUIRED
    assert sample_variables(a_spec(), proving=False)[contract.SAMPLE] == contract.TRIED
    skipped = a_spec(skip_script_validation="true")
    assert sample_variables(skipped, proving=True)[contract.SAMPLE] == contract.SKIPPED
    assert sample_variables(a_spec(), proving=True)[contract.REQUEST_TIMEOUT_MS] == "5000"


@pytest.mark.parametrize(
    ("script", "path", "variable"),
    [("score.py", "a/b.json", "a/b.json"), ("src/score.py", "a/b.json", "../a/b.json"), ("s/score.py", "s/./b", "b")],
)
def test_a_sample_request_is_found_from_the_scripts_folder(script: str, path: str, variable: str) -> None:
    variables = sample_variables(a_spec(script, sample_request=path), proving=True)
    assert variables[contract.SAMPLE_REQUEST] == variable


@pytest.mark.parametrize("path", ["/etc/passwd", "../other.json", "a/../../b"])
def test_a_sample_request_outside_the_code_is_refused(path: str) -> None:
    with pytest.raises(PenstockError, match=r"property penstock\.sample_request is .*: give a path inside the code"):
        sample_request(a_spec(sample_request=path))


def test_a_sample_request_needs_a_code_folder() -> None:
    spec = a_spec(sample_request="a.json").model_copy(update={"code_configuration": None})
    with pytest.raises(PenstockError, match="there is no code_configuration"):
        sample_request(spec)


# The conditions of a validation.


def shown(*rows: Row) -> dict[str, tuple[str, str]]:
    conditions: tuple[Condition, ...] = ()
    for name, truth, reason, message in rows:
        condition = Condition(name=name, truth=truth, reason=reason, message=message, since=datetime.now(UTC))
        conditions = with_condition(conditions, condition)
    return {c.name: (c.truth.value, c.reason) for c in conditions}


def test_a_validation_that_goes_well_ends_with_every_condition_true() -> None:
    steps = (
        None,
        a_report(contract.LOADING, sample="input example"),
        a_report(sample="input example", sample_seconds=0.1, peak_memory_bytes=200 * MEBIBYTE),
    )
    rows = [row for report in steps for row in start_rows(report)]
    assert shown(*rows) == {
        "Load": ("true", "Loaded"),
        "Prediction": ("true", "Scored"),
        "Output": ("true", "Serialisable"),
        "Memory": ("true", "Measured"),
    }
    assert rows[-1][3] == "130 MiB resident, 200 MiB at most so far"
    assert shown(*start_rows(a_report(notices=("none",))))["Prediction"] == ("unknown", "NotTried")


@pytest.mark.parametrize(
    ("report", "false"),
    [
        pytest.param(None, "Load", id="it died while it was loading"),
        pytest.param(contract.Report(contract.FAILED, 1, reason="UserScriptInitFailed"), "Load", id="init() raised"),
        pytest.param(
            a_report(contract.FAILED, reason=contract.SAMPLE_FAILED, sample="s"), "Prediction", id="run() raised"
        ),
        pytest.param(a_report(contract.LOADING, sample="s"), "Prediction", id="it died while it was predicting"),
        pytest.param(
            a_report(contract.FAILED, reason=contract.OUTPUT_NOT_SERIALISABLE, sample="s"), "Output", id="a set"
        ),
        pytest.param(a_report(contract.FAILED, reason=contract.CANNOT_LISTEN), "Load", id="no socket"),
    ],
)
def test_a_failure_makes_the_condition_false_that_it_belongs_to(report: contract.Report | None, false: str) -> None:
    failure = cannot_start(an_instance(0), report, "", MEBIBYTE)
    found = shown(*failure_rows(failure, report))
    assert [name for name, (truth, _) in found.items() if truth == Truth.FALSE] == [false]
    if false != "Load":
        assert found["Load"] == ("true", "Loaded")
