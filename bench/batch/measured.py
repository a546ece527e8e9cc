"""One side, run once: how long it took, how much memory its processes had, and what it has told."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from processes import cpu_seconds, end, family, start

SAMPLE_SECONDS = 0.4
# All sides have the priority of Penstock's workers: whatever else the machine does slows down all alike.
_GIVING_WAY = """
import os, sys
from penstock_worker.batch.priority import give_way
give_way()
os.execv(sys.argv[1], sys.argv[1:])
"""


class SideError(Exception):
    """A side failed, did not end in its time, or its output is not what it should be."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """`steady` and `wall` are seconds: from when all its processes had loaded the model, and from the command, to the
    last row. `cpu` is seconds of the processor in all. `peak` is MiB: shares of pages in proportion, all processes
    together, the most that a sample has seen."""

    side: str
    case: str
    round: int
    rows: int
    steady: float | None
    wall: float
    cpu: float
    peak: float
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Usage:
    """The most memory that processes have had together, and their time of the processor, looked at now and then."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._cpu: dict[int, float] = {}

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def look(self, processes: Sequence[psutil.Process]) -> None:
        self._cpu.update(cpu_seconds(processes))
        self.peak = max(self.peak, sum(_pss(process.pid) for process in processes) / 1024)


@dataclass(frozen=True)
class Ran:
    began: float
    ended: float
    cpu: float
    peak: float
    told: Mapping[str, Any]


def ran(command: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float) -> Ran:
    """The command's run, with its whole family looked at; `--result` is `folder`/result.json. Raises `SideError`."""
    usage, waited = Usage(), _waited_for()
    began = time.time()
    process = start((sys.executable, "-c", _GIVING_WAY, *command), environment, folder / "log")
    try:
        while process.poll() is None:
            if time.time() > began + seconds:
                raise SideError(f"did not end within {seconds:.0f} s: {_last_words(folder / 'log')}")
            usage.look(family(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=SAMPLE_SECONDS)
        ended = time.time()
    finally:
        end(process)
    if process.returncode:
        raise SideError(f"ended with code {process.returncode}: {_last_words(folder / 'log')}")
    result = folder / "result.json"
    told = json.loads(result.read_text()) if result.exists() else {}
    return Ran(began, ended, max(usage.cpu, _waited_for() - waited), usage.peak, told)


def _waited_for() -> float:
    """Of all children that have ended and their children: exact, but for those that are nobody's children any more."""
    times = os.times()
    return times.children_user + times.children_system


def _pss(pid: int) -> int:
    """In KiB; 0 of one that has just ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1])
    return 0


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-3:])[-600:] if lines else "it said nothing"


def quiet() -> dict[str, str]:
    """Variables for every side: one thread for each process, nothing on the terminal, MLflow without a server."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
    return {
        **dict.fromkeys(threads, "1"),
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
    }
