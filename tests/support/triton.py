"""A program that asks an MLflow model with Triton's own client, and prints what it was answered."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from support.callers import Caller
from support.trained import python_with

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


def asked_by_triton(caller: Caller, rows: Sequence[Any]) -> Any:
    """The predictions sent as bytes and as JSON, and what a request without most inputs is told."""
    url = caller.url.removeprefix("http://")
    command = [str(python_with(("tritonclient[http]",))), "-c", TRITON, url, caller.key, json.dumps(rows)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)
