"""Real MLflow models in an environment of their own, served by the real worker."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.mlflow_models import mlflow_models
from support.trained import REQUIREMENTS, python_with

from penstock_worker import contract


@pytest.fixture(scope="module")
def python() -> str:
    return str(python_with(REQUIREMENTS))


@pytest.fixture(scope="module")
def models() -> Path:
    return mlflow_models()


@pytest.fixture(scope="module")
def serve(start_lasting_worker: Callable[..., Any], python: str, models: Path) -> Callable[[str], Any]:
    """One worker for each model, as loading MLflow takes longer than most tests."""
    return cache(lambda name: start_lasting_worker(python=python, **{contract.MLFLOW_MODEL: str(models / name)}))


def records(answer: Any) -> Any:
    assert answer.status == 200, answer.body
    return answer.json()


def refused(answer: Any) -> str:
    assert answer.status == 400, (answer.status, answer.body)
    assert answer.headers["x-ms-run-function-failed"] == "False"
    assert answer.json()["error"]["code"] == "BadRequest"
    return answer.json()["error"]["message"]


def test_a_regression_predicts_the_same_in_every_form(serve: Callable[[str], Any], models: Path) -> None:
    worker = serve("diabetes")
    split = json.loads((models / "rows.json").read_text())
    expected = json.loads((models / "expected.json").read_text())
    rows = [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]
    columns = {name: [row[name] for row in rows] for name in split["columns"]}
    for data in (split, rows, columns, split["data"]):
        assert records(worker.score({"input_data": data})) == pytest.approx(expected)
    turned = {"columns": split["columns"][::-1], "data": [row[::-1] for row in split["data"]]}
    assert records(worker.score({"input_data": turned})) == pytest.approx(expected)
    for form in ({"dataframe_split": split}, {"dataframe_records": rows}, {"inputs": columns}, {"instances": rows}):
        assert records(worker.score(form))["predictions"] == pytest.approx(expected)
    whole = {"columns": split["columns"], "data": [[1] * 10]}
    assert worker.score({"input_data": whole}).status == 200

    message = refused(worker.score({"input_data": {"columns": ["age"], "data": [[1]]}}))
    assert message.startswith("input_data lacks columns 'sex', 'bmi'")
    wrong = {"columns": split["columns"], "data": [split["data"][0], ["old", *split["data"][1][1:]]]}
    message = refused(worker.score({"input_data": wrong}))
    assert message == "column 'age', row 1: expected a number (double), got the string 'old'"
    second = worker.request("GET", "/swagger.json").json()["definitions"]["ServiceInput"]
    third = worker.request("GET", "/swagger.json?version=3").json()["components"]["schemas"]["ServiceInput"]
    for form in (second["properties"]["input_data"], third["properties"]["input_data"]["oneOf"][0]):
        assert form["properties"]["columns"]["example"] == split["columns"]


ROW = {"d": 1, "f": 2, "l": 3, "i": 4, "b": True, "s": "x", "t": "2026-01-02T03:04:05Z", "o": None}


def test_columns_get_the_types_of_the_signature(serve: Callable[[str], Any]) -> None:
    worker = serve("columns")
    [row] = records(worker.score({"input_data": [ROW]}))
    # pandas 3 has a type of its own for strings.
    assert row["dtypes"].replace(" str", " object") == "float64 float32 int64 int32 bool object datetime64[ns] object"
    assert row["t"] == "2026-01-02T03:04:05"
    without = {name: value for name, value in ROW.items() if name != "o"}
    assert len(records(worker.score({"dataframe_records": [without, ROW]}))["predictions"]) == 2
    [row] = records(worker.score({"input_data": [{**ROW, "d": None, "s": None, "l": 3.0, "f": "2.5"}]}))
    assert (row["d"], row["s"], row["l"], row["f"]) == (None, None, 3, 2.5)

    for name, value in [
        ("d", True),
        ("l", 1.5),
        ("l", None),
        ("i", 1 << 31),
        ("b", 1),
        ("s", 5),
        ("t", "soon"),
        ("t", 5),
        ("d", [1]),
        ("d", 10**400),
    ]:
        assert f"column '{name}', row 0: expected" in refused(worker.score({"input_data": [{**ROW, name: value}]}))


def test_faults_against_signature_and_contract_are_told_together(
    start_worker: Callable[..., Any], python: str, models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "contracts.json"
    ranges = {"d": {"type": "number", "maximum": 10}, "l": {"type": "integer", "minimum": 0, "mode": "warn"}}
    rule = {"name": "order", "check": "d <= f", "mode": "shadow"}
    path.write_text(json.dumps({"contracts": [{"name": "c", "columns": ranges, "rules": [rule]}]}))
    worker = start_worker(
        python=python, **{contract.MLFLOW_MODEL: str(models / "columns"), contract.CONTRACT: str(path)}
    )
    answer = worker.score({"input_data": [{**ROW, "l": -1}, {**ROW, "f": 0}]})
    assert records(answer)[0]["l"] == -1
    assert answer.headers["x-penstock-contract"] == "1 violation"
    error = worker.score({"input_data": [{**ROW, "b": 5, "d": 11, "f": 12}, {**ROW, "d": "x"}]}).json()["error"]
    assert [(d["row"], d["column"], d.get("rule")) for d in error["details"]] == [
        (1, "d", None),
        (0, "b", None),
        (0, "d", "c/d.range"),
    ]
    metrics = worker.request("GET", "/metrics").body.decode()
    for labels in ('mode="warn",rule="l.range"', 'mode="shadow",rule="order"', 'mode="enforce",rule="d.range"'):
        assert f'penstock_contract_violations_total{{contract="c",{labels}}} 1' in metrics


def test_strict_compatibility_fails_as_azure_does(start_worker: Callable[..., Any], python: str, models: Path) -> None:
    worker = start_worker(python=python, **{contract.MLFLOW_MODEL: str(models / "columns"), contract.COMPAT: "strict"})
    answer = worker.score({"input_data": [{**ROW, "b": 5}]})
    assert (answer.status, answer.headers["x-ms-run-function-failed"]) == (500, "True")
    answer = worker.score({"dataframe_records": [ROW]})
    assert (answer.status, answer.json()) == (
        400,
        {"message": "A value is not provided for the 'input_data' parameter."},
    )
    assert worker.score({"input_data": [ROW]}).status == 200


BAD_BODIES = [
    ("{", "the body is not JSON"),
    (b"\xff", "cannot be decoded as UTF-8"),
    ("[" * 100_000, "the body is not JSON"),
    ("[1]", "must be a JSON object"),
    ('{"data": [1]}', "its keys: 'data'"),
    ('{"inputs": [1], "instances": [1]}', "only one of the keys inputs, instances"),
    ('{"inputs": [1], "params": 5}', "params must be an object"),
    ('{"inputs": {"fail": [1]}, "params": {"temperature": "hot"}}', "temperature"),
    ('{"dataframe_split": {"columns": ["fail"], "data": [[1], [1, 2]]}}', "row 1 has 2 values; 1 are expected"),
    ('{"dataframe_split": [1]}', "must be an object with the keys columns and data"),
    ('{"dataframe_records": [[1]]}', "must be a list of objects"),
    ('{"input_data": []}', "has no rows"),
]


def test_bad_bodies_are_the_callers_fault(serve: Callable[[str], Any]) -> None:
    worker = serve("failing")
    for body, message in BAD_BODIES:
        assert message in refused(worker.score(body))


def test_faults_of_the_model_are_not_the_callers(serve: Callable[[str], Any]) -> None:
    failing = serve("failing")
    answer = failing.score({"inputs": [{"fail": 1}]})
    assert answer.status == 500
    assert answer.headers["x-ms-run-function-failed"] == "True"
    assert "the model itself failed" in failing.log
    [row] = records(failing.score({"inputs": [{"fail": 0}], "params": {"temperature": 1}}))["predictions"]
    assert row["params"] == "[('temperature', 1.0)]"
    [row] = records(failing.score({"input_data": [{"fail": 0}]}))
    assert row["params"] == "[('temperature', 0.5)]"


def test_nested_columns(serve: Callable[[str], Any]) -> None:
    worker = serve("lists")
    [row] = records(worker.score({"input_data": [{"v": [1.5, 2.5]}]}))
    assert row["v"] == [1.5, 2.5]
    [row] = records(worker.score({"input_data": [{"v": [1, 2]}]}))
    assert row["v"] == [1, 2]
    assert "does not fit the model's signature" in refused(worker.score({"input_data": [{"v": ["a"]}]}))


def test_a_tensor(serve: Callable[[str], Any]) -> None:
    worker = serve("tensor")
    assert records(worker.score({"input_data": [[1, 2.5]]})) == [[2, 5]]
    assert records(worker.score({"instances": [[1, 2]]})) == {"predictions": [[2, 4]]}
    assert records(worker.score({"input_data": {"columns": [0, 1], "data": [[1, 2]]}})) == [[2, 4]]
    assert "has shape (1, 3); expected (-1, 2)" in refused(worker.score({"inputs": [[1, 2, 3]]}))
    assert "cannot be read as an array" in refused(worker.score({"inputs": [[1, 2], [3]]}))
    assert "cannot be read as an array" in refused(worker.score({"inputs": [["a", "b"]]}))


def test_named_tensors(serve: Callable[[str], Any]) -> None:
    worker = serve("tensors")
    expected = {"a": ["float64", 1, 2], "b": ["int64", 1]}
    assert records(worker.score({"inputs": {"a": [[1, 2]], "b": [3]}}))["predictions"] == expected
    assert records(worker.score({"instances": [{"a": [1, 2], "b": 3}]}))["predictions"] == expected
    assert "lacks 'b'" in refused(worker.score({"inputs": {"a": [[1, 2]]}}))
    assert "inputs.b must hold whole numbers" in refused(worker.score({"inputs": {"a": [[1, 2]], "b": [1.5]}}))


def test_a_model_without_a_signature_takes_what_azure_gives_it(serve: Callable[[str], Any]) -> None:
    worker = serve("unsigned")
    assert records(worker.score({"input_data": [[1, 2], [3, 4]]})) == [[2, 4], [6, 8]]
    split = {"columns": ["x"], "index": [7], "data": [[1]]}
    assert records(worker.score({"input_data": split}))[0]["x"] == 1
    assert records(worker.score({"dataframe_split": split}))["predictions"][0]["x"] == 1
    assert records(worker.score({"input_data": {"x": [1, 2]}})) == {"x": ["int64", 2]}


def test_the_input_example_is_predicted_for_before_the_first_caller(serve: Callable[[str], Any]) -> None:
    report = serve("diabetes").report()
    assert (report.sample, report.notices) == ("input example", ())
    assert report.sample_seconds > 0
    assert serve("unsigned").report().notices == (
        "no prediction was tried: there is no input example or sample request",
        "requests are not batched: there are no sample rows to try that on",
    )


def test_requests_that_come_together_are_answered_as_if_alone(serve: Callable[[str], Any], models: Path) -> None:
    worker = serve("diabetes")
    expected = json.loads((models / "expected.json").read_text())
    assert worker.report().batch_requests == 64
    table = json.loads((models / "rows.json").read_text())
    columns, rows = table["columns"], table["data"]
    bodies = [{"input_data": {"columns": columns, "data": [row]}} for row in rows * 40]
    bodies[7] = {"input_data": {"columns": columns, "data": [["x", *rows[0][1:]]]}}
    with ThreadPoolExecutor(24) as callers:
        answers = list(callers.map(worker.score, bodies))
    assert answers.pop(7).status == 400
    numbers = [number for answer in answers for number in records(answer)]
    wanted = expected * 40
    del wanted[7]
    assert numbers == pytest.approx(wanted)
    assert any(spans["batch"] > 1 for spans in worker.request("GET", "/stages").json()["spans"])
    assert b"penstock_batches_total" in worker.request("GET", "/metrics").body


def test_a_shorter_way_to_the_same_numbers_is_taken_and_one_to_others_is_not(
    serve: Callable[[str], Any], start_worker: Callable[..., Any], python: str, models: Path
) -> None:
    split = json.loads((models / "rows.json").read_text())
    exact = start_worker(python=python, **{contract.MLFLOW_MODEL: str(models / "diabetes"), contract.FAST_PATH: "off"})
    answers = {}
    for worker, way in ((serve("diabetes"), "arithmetic"), (serve("strict"), "frame"), (exact, "pyfunc")):
        assert f"predictions by {way}, 64 rows at most" in worker.log
        answers[way] = records(worker.score({"input_data": split}))
    assert answers["arithmetic"] == pytest.approx(answers["pyfunc"], rel=1e-12)
    assert answers["frame"] == pytest.approx(answers["pyfunc"], rel=1e-12)


def test_a_model_whose_answer_depends_on_the_other_rows_is_never_batched(serve: Callable[[str], Any]) -> None:
    report = serve("together").report()
    assert report.batch_requests == 0
    assert "requests are not batched: the model answers rows together otherwise than alone" in report.notices
