"""One attempt to convert: the model's file, and the facts that its loader needs."""

from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

from penstock_worker.compiler.contract import CONVERT
from penstock_worker.compiler.onnx_graph import graph_of
from penstock_worker.compiler.report import CompileError
from penstock_worker.trace import summary

if TYPE_CHECKING:
    from pathlib import Path

    from penstock_worker.compiler.attempts import Attempt
    from penstock_worker.compiler.data import Rows
    from penstock_worker.compiler.original import Original

_CLASS = re.compile(r"(?:type|class) '?<?(?:class )?'?([\w.]+)")
_NOT_FOUND = re.compile(r"[Uu]nable to find a (?:shape calculator|converter)")
_LONGEST = 400  # characters


def convert(original: Original, attempt: Attempt, rows: Rows, folder: Path) -> dict[str, Any]:
    """Write the file into `folder` and return the facts. Raises `CompileError` where it cannot be converted."""
    try:
        if attempt.format == "treelite":
            return {**_shape(original, rows), **_to_trees(original, folder)}
        graph = graph_of(original, attempt)
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
        return {**_shape(original, rows), **_output(original, graph), "format": "onnx", "array_dtype": attempt.dtype}
    except Exception as error:  # converters raise whatever comes to them
        raise _not_converted(original, attempt, error) from error


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    (folder / "compiled.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _shape(original: Original, rows: Rows) -> dict[str, Any]:
    """What is the same in all formats: the columns, and the type and shape of what the original answers."""
    answer = rows.numpy.asarray(original.pyfunc.predict(rows.first(2)))
    return {
        "columns": original.columns,
        "strings": original.strings,
        "dtype": answer.dtype.str,
        "flat": answer.ndim == 1,
        "nan_refused": [],
        "infinity_refused": False,
    }


def _output(original: Original, graph: Any) -> dict[str, Any]:
    """Which of the graph's outputs is the answer, and which column of it."""
    names = [value.name for value in graph.graph.output]
    if len(names) == 1 or original.labels:
        return {"output": names[0], "output_column": None}
    booster = original.function == "predict"  # of two classes it tells how likely the second is
    several = getattr(original.raw, "n_classes_", 2) > 2
    return {"output": names[1], "output_column": 1 if booster and not several and _flat(original) else None}


def _flat(original: Original) -> bool:
    """True if a booster answers with one number a row."""
    config = str(getattr(original.raw, "params", "")) + str(getattr(original.raw, "save_config", str)())
    return "multi:" not in config and "multiclass" not in config


def _to_trees(original: Original, folder: Path) -> dict[str, Any]:
    treelite = importlib.import_module("treelite")
    raw, flavor = original.raw, original.subject.flavor
    if flavor == "sklearn":
        model = treelite.sklearn.import_model(raw)
    else:
        booster = raw
        for method in ("get_booster", "booster_"):
            found = getattr(raw, method, None)
            booster = booster if found is None else found() if callable(found) else found
        model = getattr(treelite.frontend, f"from_{flavor}")(booster)
    model.serialize(str(folder / "model.treelite"))
    own_trees = flavor == "sklearn" and "Hist" not in original.subject.name  # these round what they get to float32
    return {
        "format": "treelite",
        "array_dtype": "float64",
        "trees_dtype": model.input_type,
        "through_dtype": "float32" if own_trees or flavor == "xgboost" else "float64",
        "classes": list(raw.classes_.tolist()) if original.labels else None,
        "width": 2 if original.function == "predict_proba" else 1,
    }


def _not_converted(original: Original, attempt: Attempt, error: Exception) -> CompileError:
    text = " ".join(summary(error).split())[:_LONGEST]
    named = _CLASS.search(text)
    model = f"model {original.name} ({original.subject.shown})"
    if _NOT_FOUND.search(text):
        part = named[1].rpartition(".")[2] if named else original.subject.name
        message = f"{model} cannot be compiled: there is no converter to {attempt.format} for {part}"
    else:
        message = f"{model} cannot be converted to {attempt}: {text}"
    return CompileError(CONVERT, "NotConvertible", message)
