"""What is said and kept of a compilation, and which models and files can be compiled at all. Pure."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, cast

from penstock.domain.compilation import Compiled, Format, RowDifference
from penstock.domain.model import ModelType, ModelVersion
from penstock.domain.resource import Truth
from penstock.online.verdicts import Row, size_told
from penstock_worker.compiler import contract

DATA_SUFFIXES = (".csv", ".parquet", ".jsonl")
_FLAVORS = ("sklearn", "xgboost", "lightgbm")
_TAG = "penstock.compile"
_LONGEST = 200  # characters of an answer
# Their newest releases read all pickles that the model's own pins make; older ones do not know newer estimators.
_ONNX = ("skl2onnx>=1.17", "onnx>=1.16", "onnxruntime>=1.18")
_BOOSTED = ("onnxmltools>=1.12",)
_TREELITE = ("treelite>=4.3",)
_MEASURED_ALONE = "model"


def refusal(version: ModelVersion, mlmodel: Mapping[str, Any] | None) -> str | None:
    """Why a version cannot be compiled, as far as its MLmodel file tells; None if nothing is against it."""
    name = f"model {version.name}:{version.version}"
    if version.type is not ModelType.MLFLOW or mlmodel is None:
        return f"{name} is not an MLflow model: only these are compiled"
    flavors = _mapping(mlmodel.get("flavors"))
    if _mapping(flavors.get("python_function")).get("loader_module") == contract.LOADER:
        return f"{name} is a compiled version already, of {version.lineage.parent or 'another'}: compile that one"
    if not any(flavor in flavors for flavor in _FLAVORS):
        there = ", ".join(sorted(flavors)) or "none"
        return f"{name} has the flavors {there}: what can be compiled is {', '.join(_FLAVORS)}"
    return None


def converter_packages(mlmodel: Mapping[str, Any], format_: Format, data: str) -> tuple[str, ...]:
    """What is installed beside the model's own requirements to convert and compare it."""
    boosted = any(flavor in _mapping(mlmodel.get("flavors")) for flavor in ("xgboost", "lightgbm"))
    found = [*_ONNX, *(_BOOSTED if boosted else ())] if format_ is not Format.TREELITE else []
    found += _TREELITE if format_ is not Format.ONNX else ()
    found += ("pyarrow",) if PurePosixPath(data).suffix == ".parquet" else ()
    return tuple(found)


def said_row(line: contract.Said) -> Row:
    """Of what the compiler says while it works."""
    done = line.reason in ("Converted", "Compared", "Measured")
    return line.step, Truth.TRUE if done else Truth.UNKNOWN, line.reason, line.message


def match_row(compiled: Compiled) -> Row:
    """Whether the two models answer alike."""
    within = f"labels equal, numbers within {compiled.tolerance:g} of max(1, |original|)"
    if not compiled.differing:
        apart = f"; the largest difference is {compiled.max_difference:.2g}" if compiled.max_difference else ""
        message = f"{compiled.rows} of {compiled.rows} rows answer alike, {compiled.attempt} ({within}){apart}"
        return contract.MATCH, Truth.TRUE, "Alike", message
    message = (
        f"{compiled.differing} of {compiled.rows} rows differ, {compiled.attempt} ({within}): nothing is registered. "
        f"{_remedy(compiled)}"
    )
    return contract.MATCH, Truth.FALSE, "Differs", message


def differences_text(worst: Sequence[RowDifference]) -> str:
    """The rows that differ most, as a table."""
    rows = [("row", "original", "compiled", "difference"), *map(_difference, worst)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def speed_row(compiled: Compiled) -> Row:
    """How much faster the compiled model is."""
    parts = [
        f"{t.rows} row{'s' if t.rows > 1 else ''}: {t.before_us:.0f} to {t.after_us:.1f} µs ({t.speedup:.1f}x)"
        for t in compiled.timings
        if t.call == _MEASURED_ALONE
    ]
    sizes = f"{size_told(compiled.bytes_before)} to {size_told(compiled.bytes_after)}"
    message = f"the model alone, {', '.join(parts)}; {sizes}"
    if compiled.speedup(1) <= 1:
        slower = "it is not faster for single rows: the original may serve as well"
        return contract.SPEED, Truth.UNKNOWN, "NotFaster", f"{message}; {slower}"
    return contract.SPEED, Truth.TRUE, "Measured", message


def refused_values(compiled: Compiled) -> str:
    """A sentence about missing values and infinities; empty if the compiled version takes all of them."""
    parts = [f"missing values in {len(compiled.nan_refused)} columns"] if compiled.nan_refused else []
    parts += ["infinities"] if compiled.infinity_refused else []
    return f"it refuses {' and '.join(parts)}, as the original does or answers otherwise" if parts else ""


def tags(original: ModelVersion, compiled: Compiled) -> dict[str, str]:
    """The new version's tags: the original's, and where it comes from and how it compares."""
    timed = {f"{_TAG}.{t.call}_{t.rows}_us": f"{t.before_us:g} to {t.after_us:g}" for t in compiled.timings}
    return {
        **original.tags,
        "penstock.compiled_from": f"{original.name}:{original.version}",
        f"{_TAG}.format": f"{compiled.format}, {compiled.dtype}",
        f"{_TAG}.tolerance": f"{compiled.tolerance:g}",
        f"{_TAG}.max_difference": f"{compiled.max_difference:.3g}",
        f"{_TAG}.rows": str(compiled.rows),
        f"{_TAG}.speedup": f"{compiled.speedup(1):.1f}",
        f"{_TAG}.speedup_64": f"{compiled.speedup(64):.1f}",
        f"{_TAG}.bytes": f"{compiled.bytes_before} to {compiled.bytes_after}",
        **timed,
    }


def _remedy(compiled: Compiled) -> str:
    numbers = [row.difference for row in compiled.worst if row.difference is not None]
    if numbers and len(numbers) == len(compiled.worst):
        enough = 10.0 ** math.ceil(math.log10(compiled.max_difference))
        return f"If differences up to {compiled.max_difference:.2g} do no harm, give --tolerance {enough:g}"
    other = Format.TREELITE if compiled.format is Format.ONNX else Format.ONNX
    return f"Try --format {other}, or serve the original: these rows lie where the model decides by a hair"


def _difference(row: RowDifference) -> tuple[str, str, str, str]:
    apart = "" if row.difference is None else f"{row.difference:.3g}"
    return str(row.row), _shown(row.original), _shown(row.compiled), apart


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:_LONGEST]


def _mapping(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
