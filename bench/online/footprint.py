"""Memory and start of an instance beside a bare process, in the same environment, that holds the same model."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import run
from deployments import Penstock
from models import Trained
from server import Server

_TIMES = 3
BARE = Path(__file__).with_name("bare.py")


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """MB and seconds. `created`: from the command that creates a deployment; `started`: from the new process."""

    server: str
    rss: float
    pss: float
    bare: str
    bare_rss: float
    bare_pss: float
    bare_seconds: float
    created: float
    started: float


def footprint(penstock: Penstock, server: Server, model: Trained, kind: str) -> Footprint:
    """`kind` says how the bare process holds the model: by `joblib` or by `mlflow`."""
    python = penstock.instance(server.endpoint).cmdline()[0]
    path = model.joblib if kind == "joblib" else model.mlflow
    bare = _bare(python, kind, path, server.body(model).decode())
    starts = [penstock.start_seconds(server, model) for _ in range(_TIMES)]
    assert server.idle is not None
    return Footprint(
        server=server.name,
        rss=server.idle.rss,
        pss=server.idle.pss,
        bare=kind,
        bare_rss=bare["rss"],
        bare_pss=bare["pss"],
        bare_seconds=bare["import"] + bare["load"] + bare["first"],
        created=statistics.median(created for created, _ in starts),
        started=statistics.median(started for _, started in starts),
    )


def _bare(python: str, kind: str, path: Path, question: str) -> dict[str, Any]:
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command: Sequence[str] = (python, str(BARE), kind, str(path), question)
    found = [json.loads(run(tuple(command), environment=one_thread)) for _ in range(_TIMES)]
    return {key: statistics.median(each[key] for each in found) for key in found[0]}
