"""Batch deployments and jobs of a test's own: files, folders of data, and jobs begun and awaited over plain HTTP."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from support.running import Platform

ENDED = ("Completed", "Failed", "Canceled")


class Jobs:
    """Begins jobs of one endpoint, and looks at them over `api`."""

    def __init__(self, platform: Platform, endpoint: str, api: httpx.Client) -> None:
        self._endpoint = endpoint
        self._api = api
        self._home = platform.home

    def begin(self, name: str, data: Path | Mapping[str, Path], deployment: str = "rough", **fields: Any) -> str:
        """Invoke the endpoint; the job's name."""
        answer = self.invoke(name, data, deployment, **fields)
        assert answer.status_code == 201, answer.text
        return name

    def invoke(
        self, name: str, data: Path | Mapping[str, Path], deployment: str = "rough", **fields: Any
    ) -> httpx.Response:
        given = data if isinstance(data, Mapping) else {"x": data}
        inputs = {each: {"path": str(path)} for each, path in given.items()}
        body = {"job_name": name, "inputs": inputs, "deployment_name": deployment, **fields}
        return self._api.post(f"batch-endpoints/{self._endpoint}/jobs", json=body)

    def do(self, name: str, verb: str) -> httpx.Response:
        """`cancel` or `resume`."""
        return self._api.post(f"jobs/{name}/{verb}")

    def status(self, name: str) -> Any:
        return self._shown(name)["status"]

    def state(self, name: str) -> str:
        return self.status(name)["state"]

    def until(self, name: str, *states: str, timeout: float = 100.0) -> Any:
        """The job's status once it is in one of these states, by default an end: of its last attempt, which the
        controller may not have seen yet."""
        deadline = time.monotonic() + timeout
        while True:
            job = self._shown(name)
            status = job["status"]
            if status["attempt"] >= job["spec"]["attempt"] and status["state"] in (states or ENDED):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.03)

    def _shown(self, name: str) -> Any:
        return self._api.get(f"jobs/{name}").json()

    def lines(self, name: str, file: str = "predictions.csv") -> list[str]:
        """The lines of a file that the job wrote, sorted."""
        return sorted(self.written(name, file))

    def rows(self, name: str, file: str) -> list[Any]:
        """The lines of JSON of a file that the job wrote."""
        return [json.loads(line) for line in self.written(name, file)]

    def written(self, name: str, file: str = "predictions.csv") -> list[str]:
        return (self._home / "jobs" / name / "outputs" / "score" / file).read_text().splitlines()

    def log(self, name: str, path: str = "user/error.txt") -> str:
        return (self._home / "jobs" / name / "logs" / path).read_text()


def the_files(folder: Path, texts: Iterable[tuple[str, str | bytes]]) -> Path:
    """A folder with these files."""
    for name, text in texts:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def a_script(name: str, endpoint: str, settings: Mapping[str, Any], script: str, **fields: Any) -> Mapping[str, Any]:
    """A deployment of `code/SCRIPT`, without packages."""
    return {
        "name": name,
        "endpoint_name": endpoint,
        "type": "model",
        "code_configuration": {"code": "code", "scoring_script": script},
        "environment": {"conda_file": {"dependencies": ["python=3.11"]}},
        "settings": settings,
        **fields,
    }


def a_loader_model(folder: Path, code: str, columns: Sequence[tuple[str, str]]) -> Path:
    """An MLflow model without MLflow: `code` has `_load_pyfunc`; columns are (name, MLflow's type)."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "the_loader.py").write_text(code)
    (folder / "requirements.txt").write_text("mlflow-skinny>=3\npandas\n")
    inputs = json.dumps([{"type": kind, "name": name, "required": True} for name, kind in columns])
    outputs = json.dumps([{"type": "double", "required": True}])
    model = {
        "flavors": {"python_function": {"loader_module": "the_loader", "code": "code", "env": {}}},
        "signature": {"inputs": inputs, "outputs": outputs, "params": None},
        "model_uuid": "0" * 32,
        "utc_time_created": "2026-01-01 00:00:00.000000",
    }
    (folder / "MLmodel").write_text(json.dumps(model))
    return folder
