"""Deployments for jobs that meet all that goes wrong: a script that does as its files say, and a model like it."""

from collections import Counter
from pathlib import Path
from typing import Any

from support.batch_jobs import a_loader_model, a_script, the_files
from support.callers import write_yaml

ENDPOINT = "hard"

# What a file says is done; what was done is noted, with the job that it was done for.
SCRIPT = """
import os, signal, time

def init():
    pass

def run(mini_batch):
    return [line(path) for path in mini_batch]

def line(path):
    name, job = os.path.basename(path), os.environ["AZUREML_BI_OUTPUT_PATH"].split(os.sep)[-3]
    text = open(path).read()
    word, _, number = text.partition(" ")
    if word == "raise":
        raise ValueError("the author's own words")
    if word in ("sleep", "hang"):
        time.sleep(float(number or 1000))
    if word == "exit":
        os._exit(7)
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "eat":
        bytearray(int(number))
    if word == "print":
        print("x" * int(number))
    if word == "change":
        open(path, "a").write("more")
    if word == "flaky" and not os.path.exists(mark := os.path.join(os.environ["NOTES"], f"{job}-{name}")):
        open(mark, "w").close()
        raise ValueError("the first time")
    with open(os.path.join(os.environ["NOTES"], f"{job}.txt"), "a") as notes:
        notes.write(f"{name}\\n")
    return f"{name},{len(text)}"
"""

LOADER = """
class Model:
    def predict(self, frame, params=None):
        if (frame["a"] < 0).any():
            raise ValueError("no negative numbers, please")
        return frame["a"] * 2

def _load_pyfunc(path):
    return Model()
"""


def write_hard_site(folder: Path) -> Path:
    """Its files are in `files`; what the script has done is noted in `notes`."""
    files = folder / "files"
    the_files(files / "code", [("rough.py", SCRIPT)])
    (folder / "notes").mkdir()
    a_loader_model(files / "model", LOADER, [("a", "double"), ("t", "string")])
    settings: dict[str, Any] = {
        "mini_batch_size": 1,
        "retry_settings": {"max_retries": 1},
        "environment_variables": {"NOTES": str(folder / "notes")},
    }
    model = {"path": "model", "type": "mlflow_model"}
    output = {"format": "jsonl", "keep_columns": ["t"]}
    write_yaml(
        files / "all.yml",
        {"name": ENDPOINT, "auth_mode": "aad_token", "defaults": {"deployment_name": "rough"}},
        {"name": "one", "type": "amlcompute", "max_instances": 1},
        {"name": "none", "type": "amlcompute", "max_instances": 0},
        {"name": "spot", "type": "amlcompute", "max_instances": 9, "tier": "low_priority"},
        a_script("rough", ENDPOINT, settings, "rough.py"),
        {"name": "model", "endpoint_name": ENDPOINT, "type": "model", "model": model, "output": output},
    )
    return folder


def sleepers(data: Path, count: int, seconds: float = 0.1) -> Path:
    return the_files(data, [(f"{at:02}.txt", f"sleep {seconds}") for at in range(count)])


def scored(folder: Path, job: str) -> Counter[str]:
    """How often each file was scored for a job."""
    notes = folder / "notes" / f"{job}.txt"
    return Counter(notes.read_text().split()) if notes.exists() else Counter()
