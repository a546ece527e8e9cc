"""All that platform and compiler agree on: the job, and what is said of it line by line. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "penstock_worker.compiler"  # run with `python -m`, its one argument the job's file
LOADER = "penstock_compiled"  # the module that compiled versions are loaded by

CONVERT, MATCH, SPEED = "Convert", "Match", "Speed"  # the steps, in this order
FORMATS = ("auto", "onnx", "treelite")
MOST_SHOWN = 10  # of the rows that differ, those that are told: the worst


@dataclass(frozen=True)
class Job:
    """What to compile. Paths are absolute; `output` is the folder to make, `report` the file to tell it in."""

    model: str
    data: str
    output: str
    report: str
    name: str  # NAME:VERSION, for messages
    format: str
    tolerance: float
    rows: int  # at most this many of the data's rows are compared
    memory_bytes: int
    options: tuple[str, ...] = ()  # of pip, such as `--extra-index-url URL`, for the compiled version's requirements

    @classmethod
    def read(cls, text: str) -> Job:
        fields: dict[str, Any] = json.loads(text)
        fields["options"] = tuple(fields["options"])
        return cls(**fields)

    def text(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Said:
    """A line of the report. `outcome` is that of the job and comes last; a line that is `failed` is the last too."""

    step: str
    reason: str
    message: str
    failed: bool = False
    detail: str = ""
    outcome: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, line: str) -> Said:
        return cls(**json.loads(line))

    def text(self) -> str:
        return json.dumps(asdict(self))
