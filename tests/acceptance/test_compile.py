"""A registered model is compiled: the same answers from a smaller environment, or nothing at all."""

import json
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.callers import a_caller, write_yaml
from support.registry import mlflow_command
from support.running import Platform, a_platform, write_endpoint
from support.trained import REQUIREMENTS, python_with

TRAIN = """
import sys
from importlib.metadata import version
import mlflow.sklearn, numpy, pandas
from mlflow.models import infer_signature
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

random = numpy.random.default_rng(0)
data = pandas.DataFrame(random.normal(size=(400, 5)), columns=list("abcde"))
packages = ("mlflow-skinny", "scikit-learn", "pandas", "cloudpickle")
for name, model, target in (
    ("wine", RandomForestClassifier(10, random_state=0), numpy.where(data.a + data.b > 0, "red", "white")),
    ("price", make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=20)), data.a * 100),
):
    model.fit(data, target)
    mlflow.sklearn.save_model(
        model, name, signature=infer_signature(data, model.predict(data)), input_example=data.head(2),
        pip_requirements=[f"{package}=={version(package)}" for package in packages], serialization_format="cloudpickle",
    )
data.to_csv("holdout.csv", index=False)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the models `wine` and `price`, and rows for both."""
    folder = tmp_path_factory.mktemp("compile")
    python = python_with(REQUIREMENTS)
    subprocess.run([python, "-W", "ignore", "-c", TRAIN], check=True, cwd=folder, timeout=120, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def platform(folder: Path, environments: Path) -> Generator[Platform]:
    variables = {"PENSTOCK_MLFLOW": str(mlflow_command())}
    with a_platform(folder / "home", variables, environments=environments) as platform:
        for name in ("wine", "price"):
            platform.run("model", "create", "-n", name, "-p", folder / name)
        yield platform


def test_a_compiled_version_is_deployed_and_answers_like_the_original(platform: Platform, folder: Path) -> None:
    compiled = platform.json("model", "compile", "-n", "wine", "--data", folder / "holdout.csv")
    assert (compiled["state"], compiled["model"], compiled["compiled"]["differing"]) == ("succeeded", "wine:2", 0)
    version = platform.json("model", "show", "-n", "wine", "--version", "2")
    assert version["lineage"]["parent"] == version["tags"]["penstock.compiled_from"] == "wine:1"
    assert float(version["tags"]["penstock.compile.speedup"]) > 5
    answers = [answer(platform, folder, f"wine{number}", number) for number in ("1", "2")]
    assert answers[0] == answers[1]
    assert set(answers[0]) == {"red", "white"}
    log = platform.run("environment", "logs", "--fingerprint", environment(platform, "wine2")).stdout
    assert "onnxruntime==" in log
    assert "scikit-learn" not in log


def test_a_model_that_would_answer_otherwise_is_not_registered(platform: Platform, folder: Path) -> None:
    command = ("model", "compile", "-n", "price", "--format", "auto", "--tolerance", "1e-12")
    refused = platform.run(*command, "--data", folder / "holdout.csv", check=False)
    assert refused.returncode == 1
    assert "of 400 rows differ" in refused.stderr
    assert "give --tolerance 1e-0" in refused.stderr
    assert "rows that differ most:\n  row  original" in refused.stderr
    assert [version["version"] for version in platform.json("model", "list", "-n", "price")] == ["1"]


def answer(platform: Platform, folder: Path, endpoint: str, version: str) -> Any:
    platform.run("online-endpoint", "create", "-f", write_endpoint(folder, endpoint))
    spec = {"name": "blue", "endpoint_name": endpoint, "model": f"azureml:wine:{version}"}
    platform.run("online-deployment", "create", "-f", write_yaml(folder / "blue.yml", spec), "--all-traffic")
    columns, *rows = [line.split(",") for line in (folder / "holdout.csv").read_text().splitlines()[:21]]
    table = {"columns": columns, "data": [[float(value) for value in row] for row in rows]}
    with a_caller(platform, endpoint) as caller:
        response = caller.score(json.dumps({"input_data": table}))
    assert response.status_code == 200
    return response.json()


def environment(platform: Platform, endpoint: str) -> str:
    """The fingerprint of the environment that the endpoint's deployment runs in."""
    found = next((platform.home / "apps" / endpoint / "blue").glob("*/environment.json"))
    return json.loads(found.read_text())["fingerprint"]
