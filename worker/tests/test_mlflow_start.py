"""Models of MLflow that cannot be served, or not as they were made: what the worker says when it starts."""

import json
import re
import shutil
from collections.abc import Callable
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


@pytest.fixture
def required(start_worker: Callable[..., Any], python: str, models: Path, tmp_path: Path) -> Callable[..., Any]:
    """A worker that must predict for the sample of a copy of a model, some of whose files are other ones."""

    def start(name: str, *, ready: bool, **files: str | bytes) -> Any:
        copy = tmp_path / name
        shutil.copytree(models / name, copy)
        for file, content in files.items():
            path = copy / file.replace("__", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        variables = {contract.MLFLOW_MODEL: str(copy), contract.SAMPLE: contract.REQUIRED}
        worker = start_worker(python=python, ready=ready, **variables)
        assert ready or worker.wait() == contract.EXIT_CANNOT_LOAD
        return worker

    return start


def test_a_folder_without_a_model_and_a_corrupt_one_are_reported(
    start_worker: Callable[..., Any], python: str, models: Path, tmp_path: Path
) -> None:
    corrupt = tmp_path / "corrupt"
    shutil.copytree(models / "diabetes", corrupt)
    (corrupt / "model.pkl").write_bytes(b"not a pickle")
    for folder, message in ((tmp_path, "has no file MLmodel"), (corrupt, "model corrupt cannot be loaded: ")):
        worker = start_worker(python=python, ready=False, **{contract.MLFLOW_MODEL: str(folder)})
        assert worker.wait() == contract.EXIT_CANNOT_LOAD
        assert worker.report().reason == contract.MODEL_LOAD_FAILED
        assert message in worker.report().message


def test_an_input_example_that_does_not_fit_the_signature_is_a_notice(required: Callable[..., Any]) -> None:
    example = json.dumps({"dataframe_split": {"columns": ["age"], "data": [[1]]}})
    (notice,) = required("diabetes", ready=True, serving_input_example__json=example).report().notices
    assert notice.startswith("no prediction was tried: input example is refused: dataframe_split lacks columns 'sex'")


def test_a_sample_request_that_the_model_fails_on_ends_the_start(required: Callable[..., Any]) -> None:
    report = required("failing", ready=False, **{"sample-request__json": '{"input_data": [{"fail": 1}]}'}).report()
    assert report.reason == contract.SAMPLE_FAILED
    assert "failed on sample request sample-request.json: ValueError: the model itself failed" in report.message


def test_a_model_of_other_versions_says_which(required: Callable[..., Any], models: Path) -> None:
    made = (models / "diabetes" / "MLmodel").read_text()
    made = re.sub("sklearn_version: .*", "sklearn_version: 0.20.3", made)
    made = re.sub("python_version: .*", "python_version: 3.7.1", made)
    message = required("diabetes", ready=False, MLmodel=made, model__pkl=b"csklearn.gone\nModel\n.").report().message
    assert "No module named 'sklearn.gone'; the installed scikit-learn has no sklearn.gone" in message
    assert "; the model was made with Python 3.7.1, scikit-learn 0.20.3, and this environment has Python 3." in message


def test_an_environment_without_mlflow_is_named(start_worker: Callable[..., Any], models: Path) -> None:
    worker = start_worker(ready=False, **{contract.MLFLOW_MODEL: str(models / "diabetes")})
    assert worker.wait() == contract.EXIT_CANNOT_LOAD
    assert "needs mlflow, pandas and numpy in its environment" in worker.report().message
