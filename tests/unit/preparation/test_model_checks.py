"""What is seen of an MLflow model's folder before anything runs."""

import json
from typing import Any

import pytest
import yaml

from penstock.preparation.model_checks import model_facts, model_faults

COLUMNS = [{"type": "double", "name": "age", "required": True}, {"type": "string", "name": "town", "required": False}]


def files(flavor: dict[str, Any] | None = None, **fields: Any) -> dict[str, bytes]:
    """The files of a model's folder; `fields` are of the MLmodel file."""
    python_function = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl", "code": None, **(flavor or {})}
    content = {
        "flavors": {"python_function": {**python_function, "python_version": "3.11.7"}, "sklearn": {}},
        "mlflow_version": "3.1.0",
        "signature": {"inputs": json.dumps(COLUMNS), "outputs": None, "params": None},
        **fields,
    }
    return {"MLmodel": yaml.safe_dump(content).encode(), "model.pkl": b"", "code/mine/a.py": b""}


def faults(folder: dict[str, bytes]) -> tuple[str, ...]:
    return model_faults(folder, folder.get)


def test_a_folder_as_mlflow_writes_it_has_no_faults() -> None:
    folder = files({"code": "code", "artifacts": {"words": {"path": "code\\mine", "uri": "/home/me/words"}}})
    assert faults(folder) == ()
    facts = model_facts(folder.get)
    assert facts.made_with == "sklearn, made with MLflow 3.1.0 and Python 3.11.7"
    assert facts.signature == "age (double), town (string)"
    assert facts.notices == ()


@pytest.mark.parametrize(
    ("folder", "fault"),
    [
        pytest.param({}, "there is no MLmodel file", id="no MLmodel"),
        pytest.param({"MLmodel": b"\xff"}, "is not UTF-8 text", id="no text"),
        pytest.param({"MLmodel": b"a: ["}, "is not YAML: while parsing", id="no YAML"),
        pytest.param({"MLmodel": b"[" * 5000}, "is not YAML", id="brackets without end"),
        pytest.param({"MLmodel": b"text"}, "is not a mapping", id="no mapping"),
        pytest.param(files(flavors={"spark": {}}), "no python_function flavor (it has: spark)", id="another flavor"),
        pytest.param(files({"loader_module": None}), "names no loader_module", id="no loader"),
        pytest.param(files({"data": "model/data"}), "names data 'model/data', which is not", id="a missing file"),
        pytest.param(files({"code": "../code"}), "names code '../code', which is not", id="a way out"),
        pytest.param(files({"code": "cod"}), "names code 'cod', which is not", id="half a name"),
        pytest.param(
            files({"artifacts": {"w": {"path": "w.bin"}}}), "artifacts.w 'w.bin', which is not", id="an artifact"
        ),
        pytest.param(
            files(signature={"inputs": "[{"}), "signature's inputs in the MLmodel file are not JSON", id="half"
        ),
        pytest.param(files(signature={"outputs": '[{"a": 1}]'}), "not a list of objects with a type", id="no types"),
        pytest.param(files(signature="[]"), "the signature in the MLmodel file is not a mapping", id="no signature"),
    ],
)
def test_what_keeps_it_from_being_served_is_said(folder: dict[str, bytes], fault: str) -> None:
    assert fault in "; ".join(faults(folder))


def test_a_model_without_a_signature_is_served() -> None:
    assert faults(files(signature=None)) == ()
    assert model_facts(files(signature=None).get).signature == ""


@pytest.mark.parametrize(
    ("example", "info", "notices"),
    [
        pytest.param({"columns": ["age", "town"], "data": [[1, "x"]]}, {}, [], id="a table that fits"),
        pytest.param([{"age": 1}], {}, [], id="an optional column may be absent"),
        pytest.param({"inputs": {"age": 1}, "params": {"t": 1}}, {"params": "true"}, [], id="with parameters"),
        pytest.param([[1, "x"]], {}, [], id="without names there is nothing to compare"),
        pytest.param(
            {"columns": ["ages"], "data": [[1]]},
            {},
            [
                "the input example lacks 'age', which the signature requires",
                "the input example has 'ages', which the signature does not have",
            ],
            id="another name",
        ),
    ],
)
def test_an_input_example_is_compared_with_the_signature(example: Any, info: Any, notices: list[str]) -> None:
    folder = files(saved_input_example_info={"artifact_path": "input_example.json", "type": "dataframe", **info})
    folder["input_example.json"] = json.dumps(example).encode()
    assert faults(folder) == ()
    assert list(model_facts(folder.get).notices) == notices


def test_an_input_example_that_is_not_there_or_no_json_is_noticed() -> None:
    folder = files(saved_input_example_info={"artifact_path": "input_example.json", "type": "dataframe"})
    assert "names the input example 'input_example.json', which is not" in model_facts(folder.get).notices[0]
    folder["input_example.json"] = b"{"
    assert "the input example input_example.json is not JSON" in model_facts(folder.get).notices[0]
    assert faults(folder) == ()
