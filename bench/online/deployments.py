"""Penstock under test: a platform of its own, driven by its command line, loaded through its gateway with a key."""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import target as forms
from commands import Platform
from environments import PEERS
from load import answers_to
from models import Trained
from processes import environments, memory
from server import Server, Stages, wrong_answers
from target import Target

_CONCURRENCY = 128
_START_SECONDS = 60.0
_SCRIPT_PACKAGES = ("scikit-learn==1.9.1", "numpy==2.4.6", "joblib")
_NOTHING = """def init():
    pass


def run(raw_data):
    return [0]
"""


class Penstock:
    """Its deployments are each the only one of an endpoint of the same name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._home = folder / "home"
        self.platform = Platform(self._home)
        folder.mkdir(parents=True, exist_ok=True)

    def up(self) -> None:
        self.platform("up", "--detach", "--port", "0", "--gateway-port", "0")

    def down(self) -> None:
        self.platform.down()

    def serve_mlflow(self, name: str, model: Trained, **variables: str) -> Server:
        """The model as MLflow has saved it, without code."""
        what = {"model": {"path": str(model.mlflow), "type": "mlflow_model"}}
        return self._served(name, model, what, forms.azure, variables)

    def serve_compiled(self, name: str, model: Trained) -> Server:
        """A version of the model that the platform has compiled, checked against rows it was not trained on."""
        registered = f"bench-{model.name.lower()}"
        created = ("model", "create", "--name", registered, "--path", str(model.mlflow), "--type", "mlflow_model")
        version = self.platform(*created)["version"]
        compiled = self.platform(
            "model", "compile", "--name", registered, "--version", str(version), "--data", str(model.data)
        )
        return self._served(name, model, {"model": f"azureml:{compiled['model']}"}, forms.azure, {})

    def serve_script(self, name: str, model: Trained) -> Server:
        """The scoring script that Azure's server runs, with the same file."""
        code = self._code(f"{name}-code", (PEERS / "azml" / "score.py").read_text())
        what = {"model": {"path": str(model.joblib)}, **self._scripted(code, _SCRIPT_PACKAGES)}
        return self._served(name, model, what, forms.data, {})

    def serve_nothing(self, name: str, model: Trained) -> Server:
        """A scoring script that answers without looking at what it was asked."""
        what = self._scripted(self._code(f"{name}-code", _NOTHING), ())
        return replace(self._served(name, model, what, forms.azure, {}), constant=True)

    def behind_gateway(self, server: Server, name: str) -> Server:
        """The deployment's instance on its own socket: what is left is the worker."""
        for _, environment in self._instances(server.endpoint):
            place = environment["PENSTOCK_SOCKET"]
            target = replace(server.target, place=place, path="/score", headers={})
            stages = lambda: {"worker": server.stages()["worker"]}  # noqa: E731
            return replace(server, name=name, target=target, stages=stages, idle=None)
        raise SystemExit(f"endpoint {server.endpoint!r} has no instance running")

    def instance(self, name: str) -> psutil.Process:
        for process, _ in self._instances(name):
            return process
        raise SystemExit(f"endpoint {name!r} has no instance running")

    def stages(self, name: str) -> Stages:
        """The gateway and the control plane serve all deployments, the worker this one."""
        gateway, control = [], []
        for process, environment in environments():
            if environment.get("PENSTOCK_OWNER") == str(self._home.resolve()):
                if environment.get("PENSTOCK_INSTANCE") == "gateway":
                    gateway.append(process)
            elif environment.get("PENSTOCK_HOME") == str(self._home) and "penstock" in " ".join(process.cmdline()):
                control.append(process)
        return {"gateway": gateway, "worker": [process for process, _ in self._instances(name)], "control": control}

    def start_seconds(self, server: Server, model: Trained) -> tuple[float, float]:
        """From `create` to the first right answer, and from the new process to it: both with a warm environment."""
        name = server.endpoint
        began = time.time()
        self.platform("online-deployment", "create", "-f", str(self._folder / name / "again.yml"))
        pinned = {**server.target.headers, "azureml-model-deployment": "again"}
        created = _wait_for(replace(server, target=replace(server.target, headers=pinned)), model) - began
        self.platform("online-deployment", "delete", "--name", "again", "--endpoint-name", name, "--yes")
        self.instance(name).kill()
        answered = _wait_for(server, model)
        return created, answered - self.instance(name).create_time()

    def _served(
        self, name: str, model: Trained, what: Mapping[str, object], form: forms.Form, variables: Mapping[str, str]
    ) -> Server:
        endpoint = f"{name}-{model.name.lower()}"
        folder = self._folder / endpoint
        folder.mkdir(exist_ok=True)
        for deployment in ("blue", "again"):
            described = {**what, **_settings(variables), "name": deployment, "endpoint_name": endpoint}
            (folder / f"{deployment}.yml").write_text(json.dumps(described))
        (folder / "endpoint.yml").write_text(json.dumps({"name": endpoint, "auth_mode": "key"}))
        self.platform("online-endpoint", "create", "-f", str(folder / "endpoint.yml"))
        self.platform("online-deployment", "create", "-f", str(folder / "blue.yml"), "--all-traffic")
        url = urlsplit(self.platform("online-endpoint", "show", "--name", endpoint)["scoring_uri"])
        key = self.platform("online-endpoint", "get-credentials", "--name", endpoint)["primaryKey"]
        headers = {"Authorization": f"Bearer {key}"}
        return Server(
            name=name,
            endpoint=endpoint,
            target=Target(place=url.port or 80, path=url.path, form=form, headers=headers),
            stages=lambda: self.stages(endpoint),
            idle=memory([self.instance(endpoint)]),
        )

    def _code(self, name: str, script: str) -> Path:
        code = self._folder / name / "code"
        shutil.rmtree(code, ignore_errors=True)
        code.mkdir(parents=True)
        (code / "score.py").write_text(script)
        return code

    def _scripted(self, code: Path, packages: Sequence[str]) -> dict[str, object]:
        pip = ("pip", {"pip": list(packages)}) if packages else ()
        (code.parent / "conda.yml").write_text(json.dumps({"name": "bench", "dependencies": ["python=3.11", *pip]}))
        return {
            "code_configuration": {"code": str(code), "scoring_script": "score.py"},
            "environment": {"conda_file": str(code.parent / "conda.yml")},
        }

    def _instances(self, name: str) -> Iterator[tuple[psutil.Process, Mapping[str, str]]]:
        for process, environment in environments():
            ours = environment.get("PENSTOCK_OWNER") == str(self._home.resolve())
            if ours and environment.get("PENSTOCK_INSTANCE", "").startswith(f"{name}."):
                yield process, environment


def _settings(variables: Mapping[str, str]) -> dict[str, object]:
    return {
        "environment_variables": {"OMP_NUM_THREADS": "1", **variables},
        "request_settings": {"max_concurrent_requests_per_instance": _CONCURRENCY, "request_timeout_ms": 30_000},
        "instance_count": 1,
    }


def _wait_for(server: Server, model: Trained) -> float:
    """The time (since the epoch) of the first right answer."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            if not wrong_answers(server, model, 1, answers_to(server.target, [server.body(model)], 1)):
                return time.time()
        time.sleep(0.005)
    raise SystemExit(f"{server.name} did not answer within {_START_SECONDS:g} s")
