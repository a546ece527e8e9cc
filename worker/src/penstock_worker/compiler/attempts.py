"""Into what a model is converted, and in which order that is tried. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# Classes whose ONNX operators answer in float32 alone.
_TREES = re.compile(r"Tree|Forest|Boost|XGB|LGBM")
# Of scikit-learn, what treelite reads, and only by itself: not as a step of a pipeline.
_TREELITE = re.compile(r"((RandomForest|ExtraTrees|(Hist)?GradientBoosting)(Classifier|Regressor)|IsolationForest)")


@dataclass(frozen=True)
class Attempt:
    """One way to convert. `cast`: in float64 up to the trees, which then get float32, as scikit-learn's own do."""

    format: str
    dtype: str
    cast: bool = False

    def __str__(self) -> str:
        return f"{self.format} in {self.dtype}{', the trees in float32' if self.cast else ''}"


@dataclass(frozen=True)
class Subject:
    """What is known of a model: its flavor, its own class, and the classes of all estimators in it."""

    flavor: str
    name: str
    parts: Collection[str]
    numeric: bool  # no column holds strings

    @property
    def shown(self) -> str:
        parts = [part for part in self.parts if part != self.name]
        return f"{self.name}({', '.join(parts)})" if parts else self.name


def attempts(subject: Subject, format_: str) -> list[Attempt]:
    """What to try, the fastest to serve first; the first one that answers like the original is kept."""
    found = [*_onnx(subject), *_treelite(subject)]
    return [attempt for attempt in found if format_ in ("auto", attempt.format)]


def _onnx(subject: Subject) -> list[Attempt]:
    single, double = Attempt("onnx", "float32"), Attempt("onnx", "float64")
    if not any(_TREES.search(part) for part in (subject.name, *subject.parts)):
        return [double, single]
    if subject.flavor == "sklearn" and subject.name == "Pipeline":
        return [Attempt("onnx", "float64", cast=True), single]
    return [single]


def _treelite(subject: Subject) -> list[Attempt]:
    boosted = subject.flavor in ("xgboost", "lightgbm")
    readable = boosted or (subject.flavor == "sklearn" and _TREELITE.fullmatch(subject.name))
    return [Attempt("treelite", "float64")] if readable and subject.numeric else []
