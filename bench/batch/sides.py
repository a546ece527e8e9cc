"""The limit and the peers: how each is run on a case, and how long it may take."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cases import Case
from commands import run
from data import Data
from environments import python_of
from measured import Measured, SideError, quiet, ran

HERE = Path(__file__).parent
PEERS = HERE / "peers"
ENVIRONMENT = "models"  # the folder of peers/ whose environment the models were trained in
SCRIPT = HERE / "script" / "batch_score.py"
SCRIPT_FILES = 4  # of a mini-batch
TINY_ROWS = 1000
_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_grpc_enable_http_proxy": "0"}


@dataclass(frozen=True, kw_only=True)
class Side:
    """`forms` are those of the cases that it can do. `marks`: it notes when its processes are ready; of one that does
    not, steady is what it needs more than for a thousand rows. `share` is the seconds it may take for a million rows.
    """

    name: str
    environment: str
    command: Sequence[str]
    forms: Sequence[str] = ("one", "many")
    marks: bool = True
    share: float = 60.0
    variables: dict[str, str] = field(default_factory=dict)


def _ours(path: str, *options: str) -> tuple[str, ...]:
    return ("{python}", str(HERE / path), *options, *_PLACES)


_PLACES = ("--model", "{model}", "--input", "{input}", "--output", "{output}", "--result", "{result}")
_PREDICT = ("{bin}/mlflow", "models", "predict", "-m", "{model}", "-i", "{input}", "-o", "{output}/predictions.json")

LIMIT = Side(name="limit", environment=ENVIRONMENT, command=_ours("limit.py"), forms=("one", "many", "csv"))
BARE_LOOP = dataclasses.replace(
    LIMIT,
    command=_ours("limit.py", "--script", str(SCRIPT), "--mini-batch", str(SCRIPT_FILES)),
    forms=("script",),
)
PEERS_BY_NAME = {
    side.name: side
    for side in (
        Side(
            name="pandas",
            environment=ENVIRONMENT,
            command=_ours("peers/models/pandas_loop.py"),
            forms=("one", "many", "csv"),
        ),
        Side(name="joblib", environment=ENVIRONMENT, command=_ours("peers/models/joblib_pool.py")),
        Side(
            name="dask",
            environment="dask",
            command=_ours("peers/dask/dask_partitions.py"),
            forms=("one", "many", "csv"),
        ),
        Side(
            name="spark",
            environment="spark",
            command=_ours("peers/spark/spark.py"),
            forms=("one", "many", "csv"),
        ),
        Side(
            name="spark-udf",
            environment="spark",
            command=_ours("peers/spark/spark.py", "--udf"),
            marks=False,
            share=90,
        ),
        Side(
            name="ray",
            environment="ray",
            command=_ours("peers/ray/ray_data.py"),
            forms=("one", "many", "csv"),
            variables=_RAY,
        ),
        Side(
            name="mlflow",
            environment=ENVIRONMENT,
            command=(*_PREDICT, "-t", "csv", "--env-manager", "local"),
            forms=("csv",),
            marks=False,
        ),
    )
}


@dataclass(frozen=True)
class Stage:
    """Where everything lies. `tiny` is data of a few rows, for sides that do not say when they begin."""

    environments: Path
    models: Path
    data: Data
    tiny: Data
    folder: Path

    def python(self, environment: str) -> Path:
        return python(environment, self.environments)


def python(environment: str, environments: Path) -> Path:
    """The interpreter of an environment of peers/, made where there is none."""
    return python_of(environment, environments, PEERS)


@dataclass(frozen=True)
class Found:
    """What an output holds."""

    rows: int
    ids: int
    mean: float

    def agrees(self, other: "Found") -> bool:
        ids = 0 in (self.ids, other.ids) or self.ids == other.ids
        return self.rows == other.rows and ids and abs(self.mean - other.mean) < 1e-9


def measure(side: Side, case: Case, stage: Stage, number: int) -> tuple[Measured, Found]:
    """Run the side once. Raises `SideError`."""
    beginning = None if side.marks else _run(side, case, stage, stage.tiny)[0].wall
    measured, found = _run(side, case, stage, stage.data)
    if beginning is not None:
        measured = dataclasses.replace(measured, steady=measured.wall - beginning)
    return dataclasses.replace(measured, round=number), found


def contents(stage: Stage, output: Path) -> Found:
    return Found(**json.loads(run((str(stage.python(ENVIRONMENT)), str(HERE / "verify.py"), str(output)))))


def _run(side: Side, case: Case, stage: Stage, data: Data) -> tuple[Measured, Found]:
    folder = stage.folder / "side"
    shutil.rmtree(folder, ignore_errors=True)
    output = folder / "output"
    output.mkdir(parents=True)
    rows, interpreter = data.rows_of(case.input), stage.python(side.environment)
    places = {
        "python": interpreter,
        "bin": interpreter.parent,
        "model": stage.models / case.model,
        "input": data.input(case.input),
        "output": output,
        "result": folder / "result.json",
    }
    variables = {
        **quiet(),
        "PATH": f"{interpreter.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": f"{HERE}:{PEERS}",
        **side.variables,
    }
    try:
        done = ran([word.format(**places) for word in side.command], variables, folder, 180 + side.share * rows / 1e6)
        found = contents(stage, output)
        if found.rows != rows:
            raise SideError(f"wrote {found.rows:,} of {rows:,} rows")
    finally:
        shutil.rmtree(output, ignore_errors=True)
    ready = done.told.get("ready")
    return Measured(
        side=side.name,
        case=case.name,
        round=0,
        rows=rows,
        steady=done.told["ended"] - ready if ready else None,
        wall=done.ended - done.began,
        cpu=done.cpu,
        peak=done.peak,
        more={"cpu": done.told["cpu"]} if "cpu" in done.told else {},
    ), found
