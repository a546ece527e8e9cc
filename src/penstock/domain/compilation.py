"""Compilations: a registered model converted into one that answers alike and faster."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from penstock.domain.errand import Errand, ErrandRequest
from penstock.domain.resource import Frozen


class Format(StrEnum):
    AUTO = "auto"
    ONNX = "onnx"
    TREELITE = "treelite"


class CompilationRequest(ErrandRequest):
    """What to compile: a version (number, name, `latest` or `@ALIAS`), and the data to compare on, an artifact.

    `tolerance`: numbers x and y may differ by that part of max(1, |x|). Labels may not differ.
    """

    name: str
    version: str
    data: str
    tolerance: float = Field(default=1e-5, ge=0, le=1)
    format: Format = Format.AUTO
    rows: int = Field(default=100_000, ge=1, le=10_000_000)
    actor: str = ""  # the platform's own: who began it


class Timing(Frozen):
    """Microseconds of one call with so many rows: of the model alone, or of MLflow's `predict` around it."""

    rows: int
    call: str  # model, pyfunc
    before_us: float
    after_us: float

    @property
    def speedup(self) -> float:
        return self.before_us / self.after_us if self.after_us else 0.0


class RowDifference(Frozen):
    """A row (from 0) for which the two models answer differently. `difference` is None for labels."""

    row: int
    original: Any
    compiled: Any
    difference: float | None = None


class Compiled(Frozen):
    """What came of converting and comparing. `dtype` is of the numbers that the compiled model takes."""

    format: Format
    dtype: str
    attempt: str  # in words
    tolerance: float
    rows: int
    differing: int
    max_difference: float  # of all numbers, in parts of max(1, |x|)
    worst: tuple[RowDifference, ...] = ()
    nan_refused: tuple[int, ...] = ()  # columns for which missing values are refused, by number
    infinity_refused: bool = False
    timings: tuple[Timing, ...] = ()
    bytes_before: int = 0
    bytes_after: int = 0

    def speedup(self, rows: int) -> float:
        """How many times faster the model alone answers a call of so many rows."""
        return next((t.speedup for t in self.timings if t.rows == rows and t.call == "model"), 0.0)


class Compilation(Errand):
    """How far a compilation has come. `model` is the version that it has registered, NAME:VERSION."""

    compiled: Compiled | None = None
    model: str | None = None
