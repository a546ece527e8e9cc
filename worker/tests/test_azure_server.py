"""The same scripts and requests on Azure's own inference server and on ours give the same answers."""

import json
import os
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support.azure_cases import CASES
from support.trained import python_with

SOURCE = Path(__file__).parent.parent / "src"
DRIVER = Path(__file__).parents[2] / "tests" / "support" / "azure_driver.py"
REQUIREMENTS = (
    "azureml-inference-server-http==1.5.1",
    "inference-schema==1.8",
    "azureml-contrib-services==1.62.0",
    "flask-cors==6.0.5",
    "numpy",
    "pandas",
    "httptools",
    "orjson",
)
HEADERS = (
    "content-type",
    "x-request-id",
    "x-ms-request-id",
    "x-ms-client-request-id",
    "x-ms-run-function-failed",
    "traceid",
    "x-one",
    "x-back",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
)
PRESENT = ("x-ms-run-fn-exec-ms", "x-ms-server-version")

Answer = tuple[int, Any, list[tuple[str, str]], list[bool]]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[Any]]]:
    """By server, and by case and mode."""
    python, told = python_with(REQUIREMENTS), {}
    for server in ("azure", "ours", "bare"):
        folder = tmp_path_factory.mktemp(server)
        done = subprocess.run(
            [python, DRIVER, server, folder],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            check=False,
            capture_output=True,
            timeout=110,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        told[server] = json.loads(done.stdout)
    return told


def form(path: str, answer: Any) -> Answer:
    """What of an answer is promised."""
    status, body, pairs = answer
    headers = [(name.lower(), value) for name, value in pairs]
    told = sorted((name, "new" if len(value) == 36 else value) for name, value in headers if name in HEADERS)
    present = [any(name == wanted for name, _ in headers) for wanted in PRESENT]
    if path.startswith("/swagger.json") and status == 200:
        document = json.loads(body)
        parts = document.get("definitions") or document["components"]["schemas"]
        info = document["info"]["title"], document["info"]["version"], sorted(document["paths"])
        return status, (document.get("swagger") or document["openapi"], info, parts), told, present
    if status in (404, 405) and not path.startswith("/swagger.json"):
        body = ""  # ours say more
    return status, body, told, present


def test_answers_are_azures_but_where_it_blames_the_script_or_loses_the_body(answers: Any) -> None:
    """Strictly compatible, they are the same; else they differ in two ways. With Azure's packages and without."""
    compared = 0
    for server, (name, (_, requests)) in product(("ours", "bare"), CASES.items()):
        told = answers["azure"][f"{name} strict"], answers[server][f"{name} strict"], answers[server][name]
        for request, azure, strict, usual in zip(requests, *told, strict=True):
            compared += 1
            path, about = request["path"], (server, name, request)
            assert form(path, strict) == form(path, azure), about
            if usual[0] == 400 and azure[0] == 500:
                assert json.loads(usual[1])["message"].startswith("The value of parameter "), about
            elif azure[1] == '""' and request["body"]:
                assert json.loads(usual[1]) == request["body"], about
            else:
                assert form(path, usual) == form(path, azure), about
    assert compared > 200
