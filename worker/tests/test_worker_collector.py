"""Data collection by the real worker: Azure's package unmodified, the stand-in for it, MLflow models, and bodies."""

import json
import re
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.running import wait_until
from support.trained import REQUIREMENTS, made_by, python_with

from penstock_worker import contract

COLLECTING = """
    import os, time
    import pandas as pd
    from azureml.ai.monitoring import Collector
    from azureml.ai.monitoring.context import BasicCorrelationContext

    def init():
        global inputs, outputs
        inputs, outputs = Collector(name="model_inputs"), Collector(name="model_outputs")

    def run(raw_data):
        if raw_data == "-1" and os.fork() == 0:
            collect(raw_data)
            time.sleep(4)
            os._exit(0)
        return collect(raw_data)

    def collect(raw_data):
        frame = pd.DataFrame({"a": [float(raw_data)], "b": ["x\\ny"], "none": [float("nan")]})
        context = inputs.collect(frame)
        frame["a"] = -1.0
        outputs.collect(pd.DataFrame({"p": [1 / 3]}), context)
        return str(context)
"""

# Its model writes into what it is given.
TRAIN = """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    class Sum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            model_input["x"] += model_input["n"]
            return model_input["x"].to_numpy()

    inputs = Schema([ColSpec("long", "n"), ColSpec("double", "x"), ColSpec("string", "s")])
    mlflow.pyfunc.save_model(
        "m", python_model=Sum(), signature=ModelSignature(inputs=inputs), pip_requirements=[]
    )
"""

ECHO = """
    def init():
        pass

    def run(raw_data):
        return raw_data
"""


class Site:
    """Where a worker of these tests collects to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "collected" / "fraud" / "blue"

    def variables(self, *names: str, sampling: float = 1.0, **own: Any) -> dict[str, str]:
        """What the platform tells an instance that collects `names`."""
        enabled = {name: {"enabled": True, "sampleRatePercentage": 100} for name in names}
        told = {"sampling": dict.fromkeys(names, sampling), **own}
        config = self.folder / "collector.json"
        config.write_text(json.dumps({"runMode": "cloud", "collections": enabled, "penstock": told}))
        return {
            contract.COLLECTOR_CONFIG: str(config),
            contract.COLLECTED: str(self.records),
            contract.INSTANCE: "fraud.blue.abc.0",
        }

    def read(self, collection: str) -> list[dict[str, Any]]:
        files = sorted(self.records.glob(f"{collection}/*/*/*/*/*.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def await_records(self, collection: str, count: int) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.read(collection)) >= count)
        return self.read(collection)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture(scope="module")
def python() -> str:
    return str(python_with(REQUIREMENTS))


@pytest.fixture(scope="module")
def azure_python() -> str:
    return str(python_with((*REQUIREMENTS, "azureml-ai-monitoring")))


@pytest.mark.parametrize("installed", [True, False], ids=["azures-package", "stand-in"])
def test_what_a_script_collects_is_kept_whether_or_not_azures_package_is_installed(
    installed: bool, site: Site, request: pytest.FixtureRequest, start_worker: Callable[..., Any]
) -> None:
    interpreter = request.getfixturevalue("azure_python" if installed else "python")
    variables = site.variables("model_inputs", "model_outputs")
    (site.folder / "0").write_text("0")  # the sample request's records are not kept
    sample = {contract.SAMPLE: contract.REQUIRED, contract.SAMPLE_REQUEST: str(site.folder / "0")}
    worker = start_worker(COLLECTING, python=interpreter, HTTP_PROXY="http://127.0.0.1:9", **sample, **variables)
    began = datetime.now(UTC)
    ids = [worker.score(str(n)).json() for n in range(1, 4)]

    inputs = site.await_records("model_inputs", 3)
    outputs = site.await_records("model_outputs", 3)

    assert [record["correlationid"] for record in inputs] == ids == [record["correlationid"] for record in outputs]
    # What the script wrote into its frame afterwards is not what it collected, with the stand-in.
    assert installed or [record["data"][0]["a"] for record in inputs] == [1.0, 2.0, 3.0]
    assert outputs[0]["data"] == [{"p": 0.3333333333}]
    assert inputs[0]["data"][0] | {"a": 0} == {"a": 0, "b": "x\ny", "none": None}
    worker.score("-1")  # both of two processes go on
    assert len({record["correlationid"] for record in site.await_records("model_inputs", 5)} - set(ids)) == 2
    said = {
        "specversion": "1.0",
        "source": "/onlineEndpoints/fraud/deployments/blue",
        "type": "azureml.inference.model_inputs",
    }
    said |= {"datacontenttype": "application/json"}
    assert inputs[0] | said == inputs[0]
    assert re.fullmatch(r"pandas\..*DataFrame", inputs[0]["collectdatatype"])
    assert inputs[0]["agent"].startswith("azureml-ai-monitoring/" if installed else "penstock/")
    at = datetime.strptime(inputs[0]["time"], "%Y-%m-%dT%H:%M:%S%z")
    assert began - timedelta(seconds=1) < at <= datetime.now(UTC)
    public = [path for path in site.records.rglob("*") if path.stat().st_mode & 0o077]
    assert not public
    assert worker.terminate() == 0


@pytest.fixture(scope="module")
def model() -> Path:
    return made_by(textwrap.dedent(TRAIN), REQUIREMENTS) / "m"


def test_inputs_and_outputs_of_an_mlflow_model_are_kept_and_join(
    site: Site, python: str, model: Path, start_worker: Callable[..., Any]
) -> None:
    variables = site.variables("model_inputs", "model_outputs", sampling=0.5)
    worker = start_worker(python=python, **{contract.MLFLOW_MODEL: str(model)}, **variables)

    for n in range(60):
        worker.request("POST", "/score", rows(n, n + 0.5), {"x-request-id": f"id-{n}"})
    tensors = [
        {"name": "n", "datatype": "INT64", "shape": [1], "data": [7]},
        {"name": "x", "datatype": "FP64", "shape": [1], "data": [0.25]},
        {"name": "s", "datatype": "BYTES", "shape": [1], "data": ["c"]},
    ]
    for n in range(20):
        answer = worker.request(
            "POST", "/v2/models/m/infer", json.dumps({"inputs": tensors}), {"x-request-id": f"v2-{n}"}
        )
        assert answer.status == 200, answer.body
    worker.score({"input_data": "what is refused is not collected"})
    assert worker.terminate() == 0  # what waits is written before the end

    inputs = {record["correlationid"]: record for record in site.read("model_inputs")}
    outputs = {record["correlationid"]: record for record in site.read("model_outputs")}
    assert set(inputs) == set(outputs)
    others = [inputs.pop(name) for name in list(inputs) if name.startswith("v2-")]
    assert others
    assert all(record["data"] == [{"n": 7, "x": 0.25, "s": "c"}] for record in others)
    assert 10 < len(inputs) < 50
    for name, record in inputs.items():
        n = int(name.removeprefix("id-"))
        # Though the model has written into the table that it was given.
        assert record["data"] == [{"n": n, "x": n + 0.5, "s": "a"}, {"n": n + 1, "x": 0.0, "s": "b"}]
        assert record["xrequestid"] == name
        assert outputs[name]["data"] == [{"0": n + n + 0.5}, {"0": n + 1.0}]


def test_bodies_are_kept_as_they_came_and_went(site: Site, start_worker: Callable[..., Any]) -> None:
    script = """
        from azureml.contrib.services.aml_response import AMLResponse

        def init():
            pass

        def run(raw_data):
            if raw_data == "binary":
                return AMLResponse(bytes([255, 0]), 200)
            return AMLResponse("not JSON", 418) if raw_data == "text" else len(raw_data)
    """
    worker = start_worker(script, **site.variables("request", "response", headers=["x-tenant"]))
    large = json.dumps({"large": "x" * (5 * 1024 * 1024)})
    bodies = ['{"a":\n[1, 2]}', "text", "binary", large, '{"a": NaN}']
    for number, body in enumerate(bodies):
        worker.request("POST", "/score", body, {"x-request-id": str(number), "x-tenant": "acme"})

    requests = {record["xrequestid"]: record for record in site.await_records("request", len(bodies))}
    responses = {record["xrequestid"]: record for record in site.await_records("response", len(bodies))}

    assert [requests[str(n)]["data"] for n in (0, 1, 2, 4)] == [{"a": [1, 2]}, "text", "binary", '{"a": NaN}']
    assert requests["0"]["headers"] == {"x-tenant": "acme"}
    assert (requests["0"]["method"], requests["0"]["path"]) == ("POST", "/score")
    assert [responses[str(n)]["data"] for n in (0, 1, 4)] == [13, "not JSON", 10]
    assert responses["1"]["status"] == 418
    assert side_file(site, "request", requests["3"]) == large.encode()
    assert side_file(site, "response", responses["2"]) == bytes([255, 0])


def test_records_survive_the_kill_of_their_instance(site: Site, start_worker: Callable[..., Any]) -> None:
    variables = site.variables("request")
    worker = start_worker(ECHO, **variables)
    for number in range(300):
        worker.request("POST", "/score", "1", {"x-request-id": str(number)})
    site.await_records("request", 300)  # they are written by themselves, not at the end
    for number in range(300, 600):
        worker.request("POST", "/score", "1", {"x-request-id": str(number)})
    worker.process.kill()
    worker.wait()

    kept = [record["xrequestid"] for record in site.read("request")]
    assert kept == [str(number) for number in range(len(kept))]
    assert 300 <= len(kept) <= 600

    after = start_worker(ECHO, **variables)
    after.request("POST", "/score", "1", {"x-request-id": "after"})
    wait_until(lambda: "after" in {record["xrequestid"] for record in site.read("request")})


def test_what_cannot_be_kept_is_dropped_and_counted_and_no_request_suffers(
    site: Site, start_worker: Callable[..., Any]
) -> None:
    # No file may grow beyond 100 kB, as if the disk were full.
    script = """
        import resource

        def init():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        def run(raw_data):
            return len(raw_data)
    """
    worker = start_worker(script, **site.variables("request"))
    body = "x" * 50_000
    for _ in range(30):
        assert worker.score(json.dumps(body)).status == 200
    kept = 'penstock_collected_total{collection="request"}'
    lost = 'penstock_collected_dropped_total{collection="request"}'
    wait_until(lambda: count(worker, kept) + count(worker, lost) == 30)
    assert len(site.read("request")) == count(worker, kept) < 30
    assert "records of collection request are dropped" in worker.log


def count(worker: Any, name: str) -> int:
    found = re.search(rf"^{re.escape(name)} (\d+)$", worker.request("GET", "/metrics").body.decode(), re.MULTILINE)
    return int(found[1]) if found else 0


def side_file(site: Site, collection: str, record: dict[str, Any]) -> bytes:
    assert record["datainblob"] == "true"
    (file,) = site.records.glob(f"{collection}/*/*/*/*/{record['data']}")
    return file.read_bytes()


def rows(n: int, x: float) -> str:
    return json.dumps({"input_data": {"columns": ["s", "n", "x"], "data": [["a", n, x], ["b", n + 1, 0.0]]}})
