"""`mlflow deployments -t penstock://HOST:PORT`, with MLflow's own command line and client."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from support.registry import MLFLOW, mlflow_command
from support.running import Platform, a_platform
from support.trained import python_with

REPOSITORY = Path(__file__).parents[2]
TRAIN = """
import mlflow, pandas
from sklearn.linear_model import LogisticRegression

data = pandas.DataFrame({"amount": [1.0, 2.0, 3.0, 4.0]})
model = LogisticRegression().fit(data, [0, 0, 1, 1])
given = {
    "serialization_format": "cloudpickle",
    "pip_requirements": ["mlflow-skinny>=3", "pandas", "scikit-learn"],
    "input_example": data,
}
with mlflow.start_run() as run:
    mlflow.sklearn.log_model(model, name="model", registered_model_name="fraud", **given)
mlflow.MlflowClient().set_registered_model_alias("fraud", "champion", 1)
mlflow.sklearn.save_model(model, "saved", **given)
print(run.info.run_id)
"""
USE = """
import sys
import pandas
from mlflow.deployments import get_deploy_client, run_local
from mlflow.deployments.interface import _target_help
from mlflow.exceptions import MlflowException

client, run = get_deploy_client(sys.argv[1]), sys.argv[2]
data = pandas.DataFrame({"amount": [1.0, 4.0]})

def refused(code, call, *given, **named):
    try:
        call(*given, **named)
    except MlflowException as err:
        assert err.error_code == code, (code, err.error_code, err)
        return str(err)
    raise AssertionError(f"{call} {given} was not refused")

# A second deployment takes its share of the endpoint's traffic; what a run has logged is registered first.
made = client.create_deployment("green", f"runs:/{run}/model", config={"traffic": "10"}, endpoint="fraud")
assert (made["name"], made["flavor"], made["model"]) == ("green", "python_function", "azureml:fraud-green:1"), made
assert client.get_endpoint("fraud")["traffic"] == {"blue": 90, "green": 10}
assert {d["name"] for d in client.list_deployments()} == {"fraud/blue", "fraud/green"}
assert list(client.predict("fraud/green", data)["predictions"]) == [0, 1]
assert list(client.predict(endpoint="fraud", inputs=data).get_predictions()[0]) == [0, 1]
assert list(client.predict("green", {"inputs": {"amount": [4.0]}}, endpoint="fraud")["predictions"]) == [1]
assert "amount" in refused("INTERNAL_ERROR", client.predict, "fraud/green", pandas.DataFrame({"other": [1.0]}))

# A change keeps what it does not name; an alias means the version that it means now.
changed = client.update_deployment("green", "models:/fraud@champion", config={"tags.by": "me"}, endpoint="fraud")
assert (changed["flavor"], changed["model"], changed["traffic"]) == ("python_function", "azureml:fraud:1", 10), changed

# A local folder serves without being registered, behind an endpoint of its own, which goes with it.
assert run_local(sys.argv[1], "alone", "saved")["traffic"] == 100
assert list(client.predict("alone", data)["predictions"]) == [0, 1]
client.delete_deployment("alone")
client.delete_deployment("alone")
assert [e["name"] for e in client.list_endpoints()] == ["fraud"]

# Faults are MLflow's own, in the platform's words.
assert "exists" in refused("RESOURCE_ALREADY_EXISTS", client.create_deployment, "green", "saved", endpoint="fraud")
assert "nobody" in refused("RESOURCE_DOES_NOT_EXIST", client.get_deployment, "nobody")
assert "fraud:9" in refused("RESOURCE_DOES_NOT_EXIST", client.update_deployment, "fraud/green", "models:/fraud/9")
assert "instance_count" in refused(
    "INVALID_PARAMETER_VALUE", client.update_deployment, "fraud/green", config={"instance_counts": 2})
refused("INVALID_PARAMETER_VALUE", client.create_deployment, "new", "saved", flavor="sklearn", endpoint="fraud")

assert client.create_endpoint("other", {"description": "d"})["name"] == "other"
assert client.create_endpoint(endpoint="another")["name"] == "another"
refused("RESOURCE_ALREADY_EXISTS", client.create_endpoint, "other")
client.update_endpoint("other", {"tags.team": "risk"})
assert client.get_endpoint("other")["tags"] == {"team": "risk"}
for name in ("other", "another", "another"):
    client.delete_endpoint(name)
client.update_endpoint("fraud", {"traffic": "blue=100"})
client.delete_deployment("green", endpoint="fraud")
assert "traffic=10" in _target_help(sys.argv[1])
"""


class Mlflow:
    """MLflow with the plugin, as its user has it."""

    def __init__(self, platform: Platform, packages: Path, folder: Path) -> None:
        self.target = platform.server["url"].replace("http", "penstock", 1)
        self.folder = folder
        token = (platform.home / "token").read_text().strip()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(packages),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PENSTOCK_HOME": str(platform.home),
            "PENSTOCK_TOKEN": token,
            "MLFLOW_TRACKING_URI": f"{platform.server['url']}/mlflow",
            "MLFLOW_TRACKING_TOKEN": token,
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        self.python = python_with(with_our_dependencies())

    def run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.python.with_name(program)), *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=115,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deployments(self, verb: str, *arguments: str) -> str:
        return self.run("mlflow", "deployments", verb, "-t", self.target, *arguments)


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Mlflow]:
    packages = installed(tmp_path_factory.mktemp("packages"))
    home = tmp_path_factory.mktemp("platform") / "home"
    variables = {"PENSTOCK_MLFLOW": str(mlflow_command())}
    with a_platform(home, variables, environments=environments) as platform:
        yield Mlflow(platform, packages, tmp_path_factory.mktemp("user"))


def test_mlflows_own_client_and_command_line_deploy_here(mlflow: Mlflow) -> None:
    run = mlflow.run("python", "-c", TRAIN).splitlines()[-1]
    created = mlflow.deployments("create", "--name", "blue", "--endpoint", "fraud", "-m", "models:/fraud/1")
    assert "python_function deployment blue is created" in created
    mlflow.run("python", "-c", USE, mlflow.target, run)
    (mlflow.folder / "input.json").write_text(json.dumps([{"amount": 1.0}, {"amount": 4.0}]))
    predicted = mlflow.deployments("predict", "--endpoint", "fraud", "-I", "input.json")
    assert json.loads(predicted) == {"predictions": [0, 1]}


def installed(folder: Path) -> Path:
    """A folder with our own distributions, entry points and all."""
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    assert uv is not None, "uv is not installed"
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(folder), "--python", sys.executable]
    subprocess.run([*command, str(REPOSITORY), str(REPOSITORY / "worker")], check=True, timeout=100)
    return folder


def with_our_dependencies() -> tuple[str, ...]:
    """MLflow and what our distributions require, but for themselves."""
    wanted = [*(importlib.metadata.requires("penstock") or ()), *(importlib.metadata.requires("penstock-worker") or ())]
    return (*MLFLOW, *(r for r in wanted if "extra ==" not in r and not re.match(r"penstock\b", r)))
