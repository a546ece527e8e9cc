"""Endpoint `lab`, whose script shows what it was given: its body, headers, variables and files."""

import shutil
from pathlib import Path

from support.callers import write_yaml
from support.running import Platform, write_deployment

# Answers by the first word of the body.
LAB = """
import json, os, sys
from azureml.contrib.services.aml_response import AMLResponse
import beside

seen = 0

def init():
    pass

def run(raw_data, request_headers):
    global seen
    seen += 1
    if raw_data == "own":
        return AMLResponse("a,b", 201, {"content-type": "text/csv", "x-mine": "1"})
    if raw_data == "headers":
        return request_headers
    if raw_data == "place":
        names = ("AZUREML_MODEL_DIR", "AML_APP_ROOT", "AZUREML_ENTRY_SCRIPT")
        root = os.environ["AZUREML_MODEL_DIR"]
        files = [os.path.relpath(os.path.join(f, n), root) for f, _, names_ in os.walk(root) for n in names_]
        return {"variables": {n: os.environ[n] for n in names}, "files": sorted(files), "module": __name__}
    if raw_data == "seen":
        return seen
    return {"raw": raw_data, "type": type(raw_data).__name__, "of": os.environ["VERSION"]}
"""


def deploy_lab(platform: Platform, folder: Path) -> None:
    """Blue and green by a script in a folder below its code, with a model; `dark` on the side."""
    extra = {
        "model": {"path": "./weights"},
        "code_configuration": {"code": "./code-lab", "scoring_script": "scoring/score.py"},
    }
    for name in ("blue", "green", "dark"):
        write_deployment(folder, "lab", name, variables={"VERSION": name}, extra=extra)
        shutil.rmtree(folder / f"code-{name}")
    for path, text in {
        "weights/layers/one.bin": "1",
        "code-lab/scoring/score.py": LAB,
        "code-lab/scoring/beside.py": "",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    write_yaml(folder / "endpoint.yml", {"name": "lab", "auth_mode": "key", "traffic": {"blue": 100}})
    platform.run("apply", "-f", folder)
