"""The data and the models of the benchmark: made once for a number of rows, kept in a folder of builds."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from commands import run

HERE = Path(__file__).parent
CSV_SHARE = 5  # of the rows, one in so many is in the CSV too: as make_data.py has it


@dataclass(frozen=True)
class Data:
    rows: int
    one: Path
    many: Path
    csv: Path

    def input(self, form: str) -> Path:
        return {"one": self.one, "many": self.many, "csv": self.csv}[form]

    def rows_of(self, form: str) -> int:
        return self.rows // CSV_SHARE if form == "csv" else self.rows


def data(python: Path, rows: int, builds: Path, *, one_only: bool = False) -> Data:
    name = f"rows-{rows}{'-one' if one_only else ''}"
    folder = _made(python, "make_data.py", builds / name, (str(rows),), ("one_only",) if one_only else ())
    return Data(rows, folder / "one" / "data.parquet", folder / "many", folder / "data.csv")


def models(python: Path, builds: Path) -> Path:
    """A folder with a model of MLflow's for each name."""
    return _made(python, "train.py", builds / "models", (), (), "make_data.py")


def _made(
    python: Path, script: str, folder: Path, before: tuple[str, ...], after: tuple[str, ...], *others: str
) -> Path:
    """The folder that `script` makes, again if it, `others` or the environment are not what they were."""
    written = [(HERE / name).read_bytes() for name in (script, *others)]
    fingerprint = hashlib.sha256(b"".join([*written, str(python).encode()])).hexdigest()[:12]
    made = folder.with_name(f"{folder.name}-{fingerprint}")
    if not (made / "complete").exists():
        print(f"    making {made}", flush=True)
        for old in folder.parent.glob(f"{folder.name}-*"):
            shutil.rmtree(old)
        made.mkdir(parents=True)
        quiet = {**os.environ, "MLFLOW_LOGGING_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}
        print(run((str(python), str(HERE / script), *before, str(made), *after), environment=quiet), end="", flush=True)
        (made / "complete").touch()
    return made
