"""The soak's faults, each once, while requests keep coming: all of them are answered, and answered right.

MLflow is left alone here, whose start takes longer than all the rest, and there is no rollout: `test_mlflow_server`
kills the one, and `test_rollouts` has the other.
"""

import json
import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "bench" / "soak" / "run.py"
FAULTS = {"an instance", "the gateway", "the control plane"}  # that are killed


def test_no_request_is_lost_or_answered_wrongly_whatever_is_killed_or_changed(
    tmp_path: Path, environments: Path
) -> None:
    output = tmp_path / "soak.json"
    command = [sys.executable, SOAK, "--each-once", "--every", "0", "--rate", "150", "--output", output]
    fewer = ["--without", "kill -9 of MLflow", "--without", "rollout", "--environments", environments]
    done = subprocess.run([*command, *fewer], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(output.read_text())
    assert told["all"]["right"] == told["asked"] > 1000
    assert {f"kill -9 of {what}" for what in FAULTS} < set(told["faults"])
    assert len(told["faults"]) >= 8
    assert told["faults"]["kill -9 of the gateway"]["resent"] > 0  # it did die in the middle of requests
