"""An MLflow model behind an endpoint, called with Triton's own client and in KServe's V1, with the endpoint's key."""

import json
import subprocess
from pathlib import Path

import httpx
import pytest
from support.callers import a_caller
from support.running import a_platform
from support.trained import a_trained_example, python_with

pytestmark = pytest.mark.timeout(300)

TRITON = """
import json, sys
import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])
key = {"Authorization": f"Bearer {sys.argv[2]}"}
assert client.is_server_live(headers=key) and client.is_server_ready(headers=key)
inputs = client.get_model_metadata("diabetes", headers=key)["inputs"]
rows = np.array(json.loads(sys.argv[3]))
found = []
for binary in (True, False):
    columns = [triton.InferInput(each["name"], [len(rows), 1], each["datatype"]) for each in inputs]
    for place, column in enumerate(columns):
        column.set_data_from_numpy(rows[:, place : place + 1], binary_data=binary)
    wanted = [triton.InferRequestedOutput("output-0", binary_data=binary)]
    # The client writes into the headers that it is given.
    answer = client.infer("diabetes", columns, outputs=wanted, headers=dict(key))
    found.append(answer.as_numpy("output-0").tolist())
try:
    client.infer("diabetes", columns[:1], headers=dict(key))
except triton.InferenceServerException as error:
    found.append(error.message())
print(json.dumps(found))
"""


def test_tritons_client_and_v1_predict_through_the_gateway_as_score_does(tmp_path: Path, environments: Path) -> None:
    files = a_trained_example("mlflow", tmp_path)
    split = json.loads((files / "sample-request.json").read_text())["input_data"]
    with a_platform(tmp_path / "home", environments=environments) as platform:
        platform.run("online-endpoint", "create", "-f", files / "endpoint.yml")
        platform.run("online-deployment", "create", "-f", files / "blue-deployment.yml", "--all-traffic")
        expected = platform.score("diabetes", json.dumps({"input_data": split})).json()
        client = [str(python_with(("tritonclient[http]",))), "-c", TRITON]
        url = f"127.0.0.1:{platform.gateway_port}/endpoints/diabetes"
        command = [*client, url, platform.key("diabetes"), json.dumps(split["data"])]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        binary, plain, refusal = json.loads(ran.stdout)
        assert binary == plain == pytest.approx(expected)
        assert "inputs lacks" in refusal
        with a_caller(platform, "diabetes") as caller:
            body = {"instances": split["data"]}
            predict = f"{caller.url}/v1/models/blue:predict"
            answer = httpx.post(predict, json=body, headers=caller.headers(), trust_env=False)
            assert answer.json()["predictions"] == pytest.approx(expected)
            assert httpx.get(f"{caller.url}/v2/models/blue", trust_env=False).status_code == 401
