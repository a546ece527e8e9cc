"""What each side of the benchmark is told, and tells: `SIDE.py --model M --input I --output O --result R`. Standard
library alone: every environment runs this."""

import argparse
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

WORKERS = 2


@dataclass
class Side:
    """`model` is a folder of MLflow's, `input` a file or a folder, `output` a folder that exists and is empty."""

    model: Path
    input: Path
    output: Path
    result: Path
    options: argparse.Namespace

    @property
    def files(self) -> list[Path]:
        return sorted(self.input.iterdir()) if self.input.is_dir() else [self.input]

    @property
    def marks(self) -> Path:
        """A folder in which every process that scores notes when it was ready to."""
        return self.result.parent / "marks"

    def ended(self, **more: object) -> None:
        """All output is written. Steady is from when the last process was ready; what others did before counts."""
        ended = time.time()
        ready = [float(mark.read_text()) for mark in self.marks.iterdir()]
        self.result.write_text(json.dumps({"ready": max(ready, default=None), "ended": ended, **more}))


def mark(folder: Path) -> None:
    """This process has loaded its model."""
    (Path(folder) / str(os.getpid())).write_text(str(time.time()))


def side(parser: argparse.ArgumentParser | None = None) -> Side:
    parser = parser or argparse.ArgumentParser()
    for name in ("model", "input", "output", "result"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    (given.result.parent / "marks").mkdir(exist_ok=True)
    return Side(given.model, given.input, given.output, given.result, given)
