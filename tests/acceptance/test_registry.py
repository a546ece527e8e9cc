"""The registry is MLflow: what training code logs is deployable at once, and what is deployed does not need it."""

import os
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from support.registry import mlflow_command, mlflow_python
from support.running import Platform, a_platform, wait_until, write_endpoint

TRAIN = """
import sys, mlflow, mlflow.sklearn, numpy
from sklearn.linear_model import LogisticRegression

x, y = numpy.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1]
with mlflow.start_run() as run:
    mlflow.set_tag("mlflow.source.git.commit", "c0ffee")
    mlflow.log_input(mlflow.data.from_numpy(x, name="threshold-data"))
    info = mlflow.sklearn.log_model(
        LogisticRegression().fit(x, y),
        name="model",
        registered_model_name=sys.argv[1],
        serialization_format="cloudpickle",
        pip_requirements=["mlflow-skinny>=3", "pandas", "scikit-learn"],
        input_example=x,
    )
print("logged", run.info.run_id, info.model_id)
"""


class Registry:
    """The platform's MLflow, which a switch keeps from starting."""

    def __init__(self, folder: Path) -> None:
        self.broken = folder / "broken"
        self.command = folder / "mlflow"
        self.command.write_text(
            f'#!/bin/sh\nif [ -e "{self.broken}" ]; then echo "the disk of the registry is gone" >&2; exit 1; fi\n'
            f'exec "{mlflow_command()}" "$@"\n'
        )
        self.command.chmod(0o700)

    def go_down(self, platform: Platform) -> None:
        self.broken.touch()
        for process in platform.processes():
            if process.is_running() and any("mlflow" in part for part in process.cmdline()):
                process.send_signal(signal.SIGKILL)
        wait_until(lambda: "failed" in platform.seen("status")["mlflow"])

    def come_back(self) -> None:
        self.broken.unlink()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, registry: Registry, environments: Path) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    variables = {"PENSTOCK_MLFLOW": str(registry.command)}
    with a_platform(folder / "home", variables, environments=environments) as platform:
        platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "threshold"))
        yield platform


@pytest.fixture(scope="module")
def logged(platform: Platform) -> tuple[str, str]:
    """Run and model that training code has logged as version 1 of `threshold`, with MLflow's own client."""
    return log_model(platform, "threshold")


def log_model(platform: Platform, name: str) -> tuple[str, str]:
    variables = {
        "MLFLOW_TRACKING_URI": f"{platform.server['url']}/mlflow",
        "MLFLOW_TRACKING_TOKEN": (platform.home / "token").read_text().strip(),
    }
    done = subprocess.run(
        [mlflow_python(), "-W", "ignore", "-c", TRAIN, name],
        env={"PATH": os.environ["PATH"], "HOME": str(platform.home), **variables},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, run, model_id = next(line for line in done.stdout.splitlines() if line.startswith("logged ")).split()
    return run, model_id


def deploy(platform: Platform, folder: Path, name: str, model: str, *flags: str) -> None:
    file = folder / f"{name}.yml"
    file.write_text(f"name: {name}\nendpoint_name: threshold\nmodel: {model}\ninstance_count: 1\n")
    platform.run("online-deployment", "create", "-f", file, *flags)


def test_a_logged_model_is_deployable_at_once_and_without_code(platform, logged, tmp_path):
    deploy(platform, tmp_path, "blue", "azureml:threshold:1", "--all-traffic")
    assert (
        platform.score("threshold", '{"dataframe_split": {"columns": [0], "data": [[0.0], [3.0]]}}').status_code < 500
    )
    answer = platform.score("threshold", '{"input_data": [[0.0], [3.0]]}')
    assert (answer.status_code, answer.json()) == (200, [0, 1])


def test_its_lineage_is_kept(platform, logged):
    run, _ = logged
    lineage = platform.json("model", "show", "-n", "threshold", "--version", "1")["lineage"]
    assert (lineage["job"], lineage["git_commit"]) == (run, "c0ffee")
    assert lineage["data"][0]["name"] == "threshold-data"


def test_runs_logged_models_and_versions_can_be_registered(platform, logged):
    run, model_id = logged
    for path in (f"runs:/{run}/model", f"azureml://jobs/{run}/outputs/artifacts/paths/model/", f"models:/{model_id}"):
        assert platform.json("model", "create", "-n", "copies", "-p", path)["type"] == "mlflow_model"
    copy = platform.json("model", "create", "-n", "promoted", "-p", "models:/threshold/1")
    assert copy["lineage"]["parent"] == "threshold:1"
    assert {v["version"] for v in platform.json("model", "list", "-n", "copies")} == {"1"}


def test_a_version_that_is_not_registered_is_refused_with_those_that_are(platform, logged, tmp_path):
    file = tmp_path / "none.yml"
    file.write_text("name: none\nendpoint_name: threshold\nmodel: azureml:threshold:9\n")
    done = platform.run("online-deployment", "create", "-f", file, check=False)
    assert (done.returncode, "there are 1" in done.stderr) == (3, True), done.stderr


def test_what_is_deployed_serves_and_starts_again_while_the_registry_is_down(platform, registry, logged, tmp_path):
    registry.go_down(platform)
    platform.kill_control_plane()
    platform.up()
    before = platform.instance_pids("threshold.blue")
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: set(platform.instance_pids("threshold.blue")) - set(before))
    wait_until(lambda: platform.score("threshold", '{"input_data": [[3.0]]}').status_code == 200)

    deploy(platform, tmp_path, "green", "azureml:promoted:1", "--no-wait")
    wait_until(lambda: "registry" in shown(platform, "green", "Model")["message"])
    assert shown(platform, "green", "Model")["reason"] == "Waiting"
    registry.come_back()
    wait_until(lambda: shown(platform, "green", "Ready")["truth"] == "true")


def shown(platform: Platform, deployment: str, condition: str) -> dict[str, str]:
    conditions = platform.seen(f"online-endpoints/threshold/deployments/{deployment}")["status"]["conditions"]
    return next((c for c in conditions if c["name"] == condition), {"message": "", "reason": "", "truth": ""})
