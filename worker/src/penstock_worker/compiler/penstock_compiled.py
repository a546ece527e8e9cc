"""Serves a model that `penstock model compile` has compiled, with numpy and onnxruntime or treelite alone.

MLflow loads it by `_load_pyfunc`. Where all columns are numbers, the object has, beside `predict`,

* `array_dtype`: "float32" or "float64",
* `predict_array(matrix)`: the predictions for a numpy array of that dtype (others are converted) and of shape
  (rows, columns in the order of the signature). The same answers as `predict`, without a table.
"""

from __future__ import annotations

import importlib
import json
import os
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    numpy: Any
else:
    import numpy


def _load_pyfunc(path: str) -> Compiled:  # pyright: ignore[reportUnusedFunction] - MLflow calls it
    with open(os.path.join(path, "compiled.json"), encoding="utf-8") as file:
        facts = json.load(file)
    if facts["format"] == "treelite":
        return Compiled(facts, _trees(os.path.join(path, "model.treelite"), facts))
    return Compiled(facts, _graph(os.path.join(path, "model.onnx"), facts))


class Compiled:
    def __init__(self, facts: dict[str, Any], call: Callable[[Any], Any]) -> None:
        self._names: list[str] | None = facts["columns"]
        self._call = call
        self._strings = set(facts["strings"])
        self._dtype = numpy.dtype(facts["array_dtype"])
        self._refuse = _refusal(facts)
        if not self._strings:
            self.array_dtype: str = facts["array_dtype"]
            self.predict_array = _array_call(call, self._dtype, self._refuse)

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """As the original's `predict`: for a table with the signature's columns, or an array."""
        if self._strings:
            return self._call(self._feed(model_input))
        return self.predict_array(self._matrix(model_input))

    def _matrix(self, data: Any) -> Any:
        if not hasattr(data, "columns"):
            return numpy.ascontiguousarray(data, dtype=self._dtype)
        table = data if self._names is None else data[self._names]
        return numpy.ascontiguousarray(table.to_numpy(dtype=self._dtype))

    def _feed(self, table: Any) -> dict[str, Any]:
        """A column of its own for each input: strings as they are, the others as numbers."""
        feed: dict[str, Any] = {}
        for name in self._names or ():
            text = name in self._strings
            feed[name] = table[name].to_numpy(dtype=object if text else self._dtype).reshape(-1, 1)
        if self._refuse is not None:
            self._refuse(numpy.hstack([feed[n] for n in self._names or () if n not in self._strings]))
        return feed


def _array_call(call: Callable[[Any], Any], dtype: Any, refuse: Callable[[Any], None] | None) -> Callable[[Any], Any]:
    def predict_array(matrix: Any) -> Any:
        if matrix.dtype is not dtype:
            matrix = matrix.astype(dtype)
        if refuse is not None:
            refuse(matrix)
        return call(matrix)

    return predict_array


def _refusal(facts: dict[str, Any]) -> Callable[[Any], None] | None:
    """Raises for values that the original refuses, which a graph would answer with nonsense."""
    refused: list[int] = facts["nan_refused"]  # among the columns that hold numbers
    names = [name for name in facts["columns"] or () if name not in facts["strings"]]
    infinity: bool = facts["infinity_refused"]
    isfinite, every = numpy.isfinite, numpy.logical_and.reduce
    if not refused and not infinity:
        return None

    def named(place: int) -> str:
        return f"column {names[place]!r}" if names else f"column {place}"

    def refuse(matrix: Any) -> None:
        if every(isfinite(matrix), axis=None):
            return
        missing = numpy.isnan(matrix[:, refused])
        if missing.any():
            row, column = (int(place) for place in numpy.argwhere(missing)[0])
            raise ValueError(f"row {row}: {named(refused[column])} is missing (NaN), which the model does not take")
        if infinity and numpy.isinf(matrix).any():
            row, column = (int(place) for place in numpy.argwhere(numpy.isinf(matrix))[0])
            raise ValueError(f"row {row}: {named(column)} is infinite, or too large for {facts['array_dtype']}")

    return refuse


def _graph(path: str, facts: dict[str, Any]) -> Callable[[Any], Any]:
    onnxruntime: Any = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    run = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run
    outputs, shaped = [facts["output"]], _shaped(facts)
    if facts["strings"]:
        return lambda feed: shaped(run(outputs, feed)[0])
    return lambda matrix: shaped(run(outputs, {"X": matrix})[0])


def _shaped(facts: dict[str, Any]) -> Callable[[Any], Any]:
    """From what the graph answers to what the original does: the same type of numbers or labels, the same shape."""
    dtype, flat, column = numpy.dtype(facts["dtype"]), facts["flat"], facts["output_column"]

    def shaped(result: Any) -> Any:
        if column is not None:
            result = result[:, column]
        if result.dtype is not dtype:
            result = result.astype(dtype)
        return result.ravel() if flat and result.ndim > 1 else result

    return shaped


def _trees(path: str, facts: dict[str, Any]) -> Callable[[Any], Any]:
    treelite: Any = importlib.import_module("treelite")
    model = treelite.Model.deserialize(path)
    predict, dtype = treelite.gtil.predict, numpy.dtype(facts["dtype"])
    classes = None if facts["classes"] is None else numpy.array(facts["classes"], dtype=dtype)
    input_dtype, through = numpy.dtype(facts["trees_dtype"]), numpy.dtype(facts["through_dtype"])

    def call(matrix: Any) -> Any:
        result = predict(model, matrix.astype(through, copy=False).astype(input_dtype, copy=False), nthread=1)
        result = result.reshape(len(matrix), -1)
        if classes is not None:
            chosen = result[:, 0] > 0.5 if result.shape[1] == 1 else result.argmax(axis=1)
            return classes.take(chosen.astype(numpy.intp))
        if facts["flat"]:
            return result[:, -1].astype(dtype, copy=False)
        if result.shape[1] == 1 and facts["width"] == 2:
            result = numpy.hstack([1 - result, result])
        return result.astype(dtype, copy=False)

    return call
