"""What the soak runs on: a platform with an MLflow model and two scoring scripts, and those who ask them."""

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil
from steady import Caller, Steady
from support.callers import write_yaml
from support.running import Platform, wait_until, write_deployment
from support.trained import a_trained_example

from penstock.client.client import Client

MODEL, SCRIPT = "diabetes", "doubled"  # endpoints
BLUE = {"name": "blue", "endpoint_name": MODEL, "model": {"path": "model", "type": "mlflow_model"}, "instance_count": 2}
SCRIPT_TEXT = """
def init():
    pass

def run(raw_data):
    return {"doubled": 2 * int(raw_data)}
"""
_HEAL = 60.0  # seconds in which all is well again


@dataclass
class Stage:
    """A platform whose deployments serve, and its callers by endpoint."""

    platform: Platform
    client: Client
    random: Random
    callers: Mapping[str, Caller]
    load: Steady
    counts: dict[str, int] = field(default_factory=lambda: {"diabetes.blue": 2, "doubled.blue": 2, "doubled.green": 1})
    versions: int = 0

    def change(self, deployment: str, **fields: Any) -> None:
        """Change fields of a deployment, and wait until it is as it should be."""
        endpoint, _, name = deployment.partition(".")
        found = self.client.online_deployments.get(endpoint, name)
        changed = self.client.online_deployments.create_or_update(found.spec.model_copy(update=fields))
        self.client.wait("online-deployment", changed.resource.name, changed.resource.generation)

    def copy(self, deployment: str, name: str) -> None:
        """Deploy the same under another name."""
        self.change(deployment, name=name)

    def remove(self, deployment: str) -> None:
        endpoint, _, name = deployment.partition(".")
        going = self.client.online_deployments.delete(endpoint, name)
        if going is not None:
            self.client.wait_gone(going)

    def traffic(self, **shares: int) -> None:
        """Of the scoring scripts."""
        found = self.client.online_endpoints.get(SCRIPT)
        changed = self.client.online_endpoints.create_or_update(found.spec.model_copy(update={"traffic": shares}))
        self.client.wait("online-endpoint", SCRIPT, changed.resource.generation)

    def a_deployment(self, only_with_more_than: int = 0) -> str:
        """Any of them."""
        return self.random.choice([name for name, count in self.counts.items() if count > only_with_more_than])

    def haproxies(self) -> list[psutil.Process]:
        return [process for process in self.platform.processes() if "haproxy" in process.name()]

    def await_instances(self, deployment: str) -> None:
        """Until as many as it should have are ready."""
        endpoint, _, name = deployment.partition(".")
        ready = lambda: self.client.online_deployments.get(endpoint, name).status.ready_instances  # noqa: E731
        wait_until(lambda: ready() == self.counts[deployment])

    def await_answers(self) -> None:
        """Until requests are answered again."""
        self.load.wait_for(50)


def deploy(platform: Platform, folder: Path) -> Mapping[str, Caller]:
    """Deploy all; the callers, who know the right answers."""
    example = a_trained_example("mlflow", folder)
    write_yaml(example / "endpoint.yml", {"name": MODEL, "auth_mode": "key", "traffic": {"blue": 100}})
    write_yaml(example / "blue-deployment.yml", BLUE)
    scripts = folder / "scripts"
    write_yaml(scripts / "endpoint.yml", {"name": SCRIPT, "auth_mode": "key", "traffic": {"blue": 100, "green": 0}})
    for name, count in (("blue", 2), ("green", 1)):
        write_deployment(scripts, SCRIPT, name, script=SCRIPT_TEXT, count=count)
    platform.run("apply", "-f", example, "-f", scripts)
    test = json.loads((example / "test.json").read_text())
    asks = {MODEL: _rows(test["data"], test["predictions"]), SCRIPT: _doubled}
    return {name: Caller(f"/endpoints/{name}/score", platform.key(name), ask) for name, ask in asks.items()}


def _rows(data: Mapping[str, Any], predictions: list[float]) -> Callable[[int], tuple[bytes, Callable[[bytes], bool]]]:
    """One row of the test's data each, in turn; what the training process predicted for it is right."""
    columns = data["columns"]
    bodies = [json.dumps({"input_data": {"columns": columns, "data": [row]}}).encode() for row in data["data"]]

    def ask(number: int) -> tuple[bytes, Callable[[bytes], bool]]:
        row = number % len(bodies)
        return bodies[row], lambda answer: math.isclose(json.loads(answer)[0], predictions[row], rel_tol=1e-9)

    return ask


def _doubled(number: int) -> tuple[bytes, Callable[[bytes], bool]]:
    """A number that nobody else asks for: another request's answer would be seen."""
    return str(number).encode(), lambda answer: json.loads(answer) == {"doubled": 2 * number}


def killed(process_id: int) -> None:
    """Kill -9, and wait until it is gone."""
    try:
        os.kill(process_id, 9)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + _HEAL
    while psutil.pid_exists(process_id) and psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {process_id} does not end")
        time.sleep(0.01)
