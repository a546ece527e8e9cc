"""The Open Inference Protocol (V2) and V1: real models and scripts, the real worker, and Triton's own client."""

import json
import struct
import subprocess
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_port
from support.trained import REQUIREMENTS, made_by, python_with

from penstock_worker import contract

TRAIN = """
    from pathlib import Path
    import mlflow, numpy as np, pandas as pd
    from mlflow.models import ModelSignature, infer_signature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
    from sklearn.linear_model import LinearRegression

    root = Path.cwd()
    data = pd.DataFrame({"a": [0.0, 1.0, 2.0, 5.0], "b": [1.0, 0.0, 3.0, 2.0]})
    regression = LinearRegression().fit(data, 2 * data["a"] + 10 * data["b"])
    mlflow.sklearn.save_model(
        regression, root / "linear", signature=infer_signature(data, regression.predict(data)),
        pip_requirements=[], serialization_format="cloudpickle",
    )

    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            if isinstance(model_input, pd.DataFrame):
                model_input["factor"] = (params or {}).get("factor")
                return model_input
            return np.asarray(model_input) * 2

    def echo(name, inputs, params=None):
        mlflow.pyfunc.save_model(root / name, python_model=Echo(), pip_requirements=[],
                                 signature=ModelSignature(inputs=inputs, params=params))

    echo("columns", Schema([ColSpec("string", "s"), ColSpec("integer", "i"), ColSpec("boolean", "b")]),
         ParamSchema([ParamSpec("factor", DataType.double, 0.5)]))
    echo("tensor", Schema([TensorSpec(np.dtype("float32"), (-1, 2))]))
"""

# Runs in an environment of its own, with nothing of ours: what its author's users would write.
TRITON = """
    import json, sys
    import numpy as np
    import tritonclient.http as triton

    client = triton.InferenceServerClient(sys.argv[1], concurrency=4)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("linear")
    told = [client.get_server_metadata(), client.get_model_metadata("linear", model_version="7")]

    def columns(binary):
        inputs = [triton.InferInput(name, [3, 1], "FP64") for name in "ab"]
        for place, each in enumerate(inputs):
            each.set_data_from_numpy(np.full((3, 1), place + 1.0), binary_data=binary)
        return inputs

    rows = triton.InferInput("rows", [2, 2], "FP32")
    rows.set_data_from_numpy(np.array([[1, 2], [3, 4]], dtype=np.float32))
    found = {}
    for binary_in in (True, False):
        for binary_out in (True, False):
            wanted = [triton.InferRequestedOutput("output-0", binary_data=binary_out)]
            answer = client.infer("linear", columns(binary_in), outputs=wanted, request_id="42")
            assert answer.get_response()["id"] == "42"
            found[f"{binary_in} {binary_out}"] = answer.as_numpy("output-0").tolist()
    found["table"] = client.infer("linear", [rows]).as_numpy("output-0").tolist()
    waiting = [client.async_infer("linear", columns(True)) for _ in range(8)]
    found["async"] = [each.get_result().as_numpy("output-0").tolist() for each in waiting]
    try:
        client.infer("linear", [rows], model_version="8")
    except triton.InferenceServerException as error:
        told.append(error.message())
    print(json.dumps([told, found]))
"""


@pytest.fixture(scope="module")
def python() -> str:
    return str(python_with(REQUIREMENTS))


@pytest.fixture(scope="module")
def models() -> Path:
    return made_by(textwrap.dedent(TRAIN), REQUIREMENTS)


@pytest.fixture(scope="module")
def serve(start_lasting_worker: Callable[..., Any], python: str, models: Path) -> Callable[..., Any]:
    """One worker for each model and its settings."""

    @cache
    def start(name: str, **more: str) -> Any:
        return start_lasting_worker(python=python, **{contract.MLFLOW_MODEL: str(models / name)}, **more)

    return start


def infer(worker: Any, model: str, **told: Any) -> Any:
    return worker.request("POST", f"/v2/models/{model}/infer", json.dumps(told))


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def outputs(answer: Any) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    return {each["name"]: (each["datatype"], each["shape"], each["data"]) for each in answer.json()["outputs"]}


def error(answer: Any, status: int = 400) -> str:
    assert answer.status == status, (answer.status, answer.body)
    assert list(answer.json()) == ["error"]
    return answer.json()["error"]


def test_tritons_own_client_works_unmodified(serve: Callable[..., Any], tmp_path: Path) -> None:
    port = free_port()
    names = {contract.MODEL_NAMES: "linear,blue,prices", contract.MODEL_VERSION: "7"}
    serve("linear", **{contract.SOCKET: "", contract.LISTEN: f"127.0.0.1:{port}"}, **names)
    script = tmp_path / "client.py"
    script.write_text(textwrap.dedent(TRITON))
    client = [python_with(("tritonclient[http]",)), str(script), f"127.0.0.1:{port}"]
    ran = subprocess.run(client, check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    (server, model, refusal), found = json.loads(ran.stdout)
    assert server["extensions"] == ["binary_tensor_data"]
    assert model == {
        "name": "linear",
        "versions": ["7"],
        "platform": "mlflow_sklearn",
        "inputs": [{"name": name, "datatype": "FP64", "shape": [-1, 1]} for name in "ab"],
        "outputs": [{"name": "output-0", "datatype": "FP64", "shape": [-1]}],
    }
    assert "version 7 here, not 8" in refusal
    assert found.pop("table") == pytest.approx([22.0, 46.0])
    assert found.pop("async") == [pytest.approx([22.0] * 3)] * 8
    assert list(found.values()) == [pytest.approx([22.0] * 3)] * 4


def test_a_table_of_all_kinds_of_columns_is_tensors_in_and_out(serve: Callable[..., Any]) -> None:
    worker = serve("columns")
    told = [
        tensor("b", "BOOL", [2], [True, False]),
        tensor("s", "BYTES", [2, 1], ["Ä", "y"]),
        tensor("i", "INT64", [2], [1, -2]),
    ]
    expected = {
        "s": ("BYTES", [2], ["Ä", "y"]),
        "i": ("INT32", [2], [1, -2]),
        "b": ("BOOL", [2], [True, False]),
        "factor": ("FP64", [2], [0.5, 0.5]),
    }
    assert outputs(infer(worker, "columns", inputs=told)) == expected
    only = infer(worker, "columns", inputs=told, parameters={"factor": 2.5, "else": 1}, outputs=[{"name": "factor"}])
    assert outputs(only) == {"factor": ("FP64", [2], [2.5, 2.5])}

    content = "Ä".encode()
    described = [{**tensor("s", "BYTES", [1], []), "parameters": {"binary_data_size": 4 + len(content)}}]
    described[0].pop("data")
    described += [tensor("i", "INT32", [1], [7]), tensor("b", "BOOL", [1], [True])]
    head = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    body = head + struct.pack("<I", len(content)) + content
    answer = worker.request(
        "POST", "/v2/models/columns/infer", body, {"Inference-Header-Content-Length": str(len(head))}
    )
    assert answer.status == 200, answer.body
    length = int(answer.headers["Inference-Header-Content-Length"])
    sizes = [each["parameters"]["binary_data_size"] for each in json.loads(answer.body[:length])["outputs"]]
    assert sizes == [6, 4, 1, 8]
    assert answer.body[length:] == body[len(head) :] + struct.pack("<i", 7) + b"\x01" + struct.pack("<d", 0.5)


def test_what_does_not_fit_the_model_is_named(serve: Callable[..., Any]) -> None:
    worker = serve("columns")
    good = {
        "s": tensor("s", "BYTES", [1], ["x"]),
        "i": tensor("i", "INT64", [1], [1]),
        "b": tensor("b", "BOOL", [1], [True]),
    }

    def said(**changed: Any) -> str:
        return error(infer(worker, "columns", inputs=[each for each in {**good, **changed}.values() if each]))

    assert said(s=None) == "inputs lacks 's'; the model expects s, i, b"
    assert said(z=tensor("z", "BOOL", [1], [True])) == "input 'z' is not known; the model expects s, i, b"
    assert said(s=tensor("s", "FP32", [1], [1.5])) == "input 's': expected BYTES, got FP32"
    assert said(i=tensor("i", "INT64", [2], [1, 2])).startswith("input 'i': expected shape [1] or [1, 1], got [2]")
    assert "input 'i': expected INT64, got the string '1'" in said(i=tensor("i", "INT64", [1], ["1"]))
    assert "column 'i', row 0: expected a whole number (integer) of at most 32 bits" in said(
        i=tensor("i", "INT64", [1], [1 << 40])
    )
    assert said(i=tensor("i", "INT8", [1], [300])).startswith("input 'i': expected INT8, got")
    assert said(i=tensor("i", "INT64", [3], [1])) == "input 'i': expected 3 elements for shape [3], got 1"
    assert said(i=tensor("i", "INT65", [1], [1])).startswith("input 'i': datatype must be one of BOOL, UINT8")
    assert error(infer(worker, "columns", inputs=list(good.values()), outputs=[{"name": "q"}])) == (
        "output 'q' is not known; the model gives s, i, b, factor"
    )
    head = {"Inference-Header-Content-Length": "99999"}
    assert "at most 2" in error(worker.request("POST", "/v2/models/columns/infer", b"{}", head))
    assert "'red'" in error(infer(worker, "red", inputs=[]), 404)
    assert "use POST" in error(worker.request("GET", "/v2/models/columns/infer"), 405)
    assert "/v2/models/NAME" in error(worker.request("GET", "/v2/else"), 404)


def test_arrays_are_batched_with_those_of_azures_route_and_answered_in_their_type(serve: Callable[..., Any]) -> None:
    worker = serve("tensor")

    def ask(number: int) -> Any:
        data = [[number, 1], [2, 3]]
        if number % 2:
            return worker.score({"inputs": data}).json()
        return outputs(infer(worker, "tensor", inputs=[tensor("any", "FP32", [2, 2], data)]))

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(ask, range(64)))
    for number, answer in enumerate(answers):
        doubled = [number * 2.0, 2.0, 4.0, 6.0]
        if number % 2:
            assert answer == {"predictions": [doubled[:2], doubled[2:]]}
        else:
            assert answer == {"output-0": ("FP32", [2, 2], doubled)}
    assert "expected shape [-1, 2], got [1, 3]" in error(
        infer(worker, "tensor", inputs=[tensor("x", "FP32", [1, 3], [1, 2, 3])])
    )


def test_v1_predicts_for_instances_and_inputs(serve: Callable[..., Any]) -> None:
    worker = serve("linear")
    assert worker.request("GET", "/v1/models").json() == {"models": ["linear"]}
    assert worker.request("GET", "/v1/models/linear").json() == {"name": "linear", "ready": True}
    predict = "/v1/models/linear:predict"
    rows = worker.request("POST", predict, json.dumps({"instances": [[1, 2], [3, 4]]}))
    assert rows.json()["predictions"] == pytest.approx([22.0, 46.0])
    columns = worker.request("POST", predict, json.dumps({"inputs": {"a": [1], "b": [2]}}))
    assert columns.json()["outputs"] == pytest.approx([22.0])
    assert "lacks column 'b'" in error(worker.request("POST", predict, json.dumps({"instances": [{"a": 1}]})))


def test_a_scoring_script_gets_the_request_as_it_came(start_worker: Callable[..., Any]) -> None:
    script = """
        import json
        def init(): pass
        def run(data):
            return {"outputs": [{"name": "sum", "data": [sum(json.loads(data)["inputs"][0]["data"])]}]}
    """
    worker = start_worker(script, **{contract.MODEL_NAMES: "adder"})
    assert worker.request("GET", "/v2/models/adder").json()["platform"] == "penstock_script"
    answer = infer(worker, "adder", inputs=[tensor("x", "INT64", [2], [1, 2])])
    assert answer.json() == {"outputs": [{"name": "sum", "data": [3]}]}
    assert "An unexpected error occurred" in error(infer(worker, "adder", nothing=1), 500)
    head = {"Inference-Header-Content-Length": "2"}
    assert "without binary data" in error(worker.request("POST", "/v2/models/adder/infer", b"{}", head))
