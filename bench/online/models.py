"""The models that every server serves, trained for this run, and the questions whose answers are known."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import run

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Trained:
    """A model in both forms, rows to ask for, and what the model answers for each in a process of its own."""

    name: str
    folder: Path
    columns: Sequence[str]
    rows: Sequence[Sequence[float]]
    labels: Sequence[Any]

    @property
    def joblib(self) -> Path:
        return self.folder / "joblib" / "model.joblib"

    @property
    def mlflow(self) -> Path:
        return self.folder / "mlflow"

    @property
    def data(self) -> Path:
        """A table of rows that the model was not trained on."""
        return self.folder / "data.csv"


def train(python: Path, names: Sequence[str], folder: Path) -> dict[str, Trained]:
    quiet = {**os.environ, "MLFLOW_LOGGING_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}
    print(run((str(python), str(HERE / "train.py"), str(folder), *names), environment=quiet), end="", flush=True)
    return {name: _trained(name, folder / name) for name in names}


def _trained(name: str, folder: Path) -> Trained:
    found = json.loads((folder / "rows.json").read_text())
    return Trained(name, folder, found["columns"], found["rows"], found["labels"])
