"""The prediction that every model makes before it gets traffic, and the same on request: `penstock model validate`."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.running import Platform, write_deployment, write_endpoint
from support.trained import MODEL_PACKAGES

SCRIPT = """
import json

def init():
    pass

def run(raw_data):
    return {"answer": json.loads(raw_data)["%s"]}
"""
LOADER = """
class Doubling:
    def predict(self, data, params=None):
        return data["%s"] * 2

def _load_pyfunc(path):
    return Doubling()
"""


@pytest.fixture(scope="module")
def platform(harassed: Platform, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    folder = tmp_path_factory.mktemp("tried")
    harassed.run("online-endpoint", "create", "-f", write_endpoint(folder, "tried"))
    return harassed


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """A deployment whose code comes with a sample request."""
    path = write_deployment(tmp_path, "tried", "blue", script=SCRIPT % "x")
    (tmp_path / "code-blue" / "sample-request.json").write_text('{"x": 7}')
    return path


def write_model(folder: Path, *, column: str = "x", named: str = "code") -> Path:
    """An MLflow model of hand-written code that reads `column`."""
    signature = {"inputs": json.dumps([{"type": "double", "name": "x", "required": True}])}
    model: dict[str, Any] = {
        "flavors": {"python_function": {"loader_module": "doubling", "code": named}},
        "signature": signature,
        "saved_input_example_info": {"artifact_path": "input_example.json", "type": "dataframe"},
        "model_uuid": "1",
    }
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "doubling.py").write_text(LOADER % column)
    (folder / "input_example.json").write_text(json.dumps({"columns": ["x"], "data": [[1.5]]}))
    (folder / "requirements.txt").write_text("\n".join(MODEL_PACKAGES))
    (folder / "MLmodel").write_text(json.dumps(model))
    return folder


def validated(platform: Platform, *words: object) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    done = platform.run("model", "validate", *words, "-o", "json", check=False)
    found = json.loads(done.stdout)
    assert found["state"] == ("failed" if done.returncode else "succeeded")
    return done, {c["name"]: f"{c['truth']} {c['reason']}: {c['message']}" for c in found["conditions"]}


def test_what_fails_on_the_sample_leaves_the_version_before_serving(platform: Platform, deployment: Path) -> None:
    created = platform.run("online-deployment", "create", "-f", deployment, "--all-traffic").stderr
    assert "sample request sample-request.json scored in" in created

    script = deployment.parent / "code-blue" / "score.py"
    script.write_text(SCRIPT % "y")
    failed = platform.run("online-deployment", "create", "-f", deployment, check=False)
    assert failed.returncode == 1
    for words in (
        "SamplePredictionFailed",
        "run() in score.py failed on sample request sample-request.json: KeyError: 'y' (score.py, line 8)",
        "the version before goes on serving",
        'return {"answer": json.loads(raw_data)["y"]}',
    ):
        assert words in failed.stderr
    assert platform.score("tried", '{"x": 1}').json() == {"answer": 1}

    skipped = platform.run("online-deployment", "create", "-f", deployment, "--skip-script-validation").stderr
    assert "the prediction was skipped as asked" in skipped
    assert platform.score("tried", '{"y": 2}').json() == {"answer": 2}


def test_a_deployments_file_is_tried_without_an_endpoint(platform: Platform, deployment: Path, tmp_path: Path) -> None:
    done, conditions = validated(platform, "-f", deployment)
    assert done.returncode == 0
    assert conditions["Prediction"].startswith("true Scored: sample request sample-request.json scored in")
    assert "Output       Serialisable" in done.stderr

    (tmp_path / "code-blue" / "score.py").write_text(SCRIPT.replace("json.loads", "set") % "x")
    (tmp_path / "request.json").write_text("[]")
    done, conditions = validated(platform, "-f", deployment, "--sample-request", tmp_path / "request.json")
    assert done.returncode == 1
    assert "TypeError: 'set' object is not subscriptable (score.py, line 8)" in conditions["Prediction"]
    assert "in run\n" in done.stderr
    assert not platform.instance_pids("validation")


def test_a_models_folder_is_tried_with_its_input_example(platform: Platform, tmp_path: Path) -> None:
    done, conditions = validated(platform, "-p", write_model(tmp_path / "good"))
    assert done.returncode == 0
    assert conditions["Signature"] == "true Consistent: x (double)"
    assert conditions["Prediction"].startswith("true Scored: input example scored in")

    done, conditions = validated(platform, "-p", write_model(tmp_path / "bad", column="z"))
    assert done.returncode == 1
    assert "predict() of model bad failed on input example: KeyError: 'z' (code/doubling.py, line 4)" in done.stderr
    assert conditions["Load"].startswith("true Loaded")
    assert conditions["Prediction"].startswith("false SamplePredictionFailed")

    done, conditions = validated(platform, "-p", write_model(tmp_path / "lacking", named="lib"))
    assert done.returncode == 1
    assert list(conditions) == ["Model"]
    assert "the MLmodel file names code 'lib', which is not in the model's folder" in done.stderr
