"""Conversion to an ONNX graph, by skl2onnx and onnxmltools."""

from __future__ import annotations

import copy
import importlib
import re
from typing import TYPE_CHECKING, Any

from penstock_worker.compiler.original import nested

if TYPE_CHECKING:
    from penstock_worker.compiler.attempts import Attempt
    from penstock_worker.compiler.original import Original

_TREES = re.compile(r"Tree|Forest|Boost|XGB|LGBM")
_MATRIX = "X"


def graph_of(original: Original, attempt: Attempt) -> Any:
    """The graph as onnx holds it. Raises whatever the converters raise."""
    _take_plain_numbers()
    if original.subject.flavor == "sklearn":
        return _of_sklearn(original, attempt)
    converters = importlib.import_module("onnxmltools.convert")
    types = importlib.import_module("onnxmltools.convert.common.data_types")
    inputs = [(_MATRIX, types.FloatTensorType([None, original.width]))]
    if original.subject.flavor == "lightgbm":
        return converters.convert_lightgbm(original.raw, initial_types=inputs, zipmap=False)
    return converters.convert_xgboost(_unnamed(original.raw), initial_types=inputs)


def _unnamed(raw: Any) -> Any:
    """The same model without names of columns: the converter knows no others than f0, f1 and so on."""
    raw = copy.deepcopy(raw)
    booster = raw.get_booster() if hasattr(raw, "get_booster") else raw
    booster.feature_names = None
    return raw


def _of_sklearn(original: Original, attempt: Attempt) -> Any:
    skl2onnx = importlib.import_module("skl2onnx")
    types = importlib.import_module("skl2onnx.common.data_types")
    number = types.DoubleTensorType if attempt.dtype == "float64" else types.FloatTensorType
    estimator = _with_cast(original.raw) if attempt.cast else original.raw
    classifier = hasattr(original.raw, "classes_")
    options = {"zipmap": False} if classifier else None
    if not _by_name(original):
        inputs = [(_MATRIX, number([None, original.width]))]
        return skl2onnx.convert_sklearn(estimator, initial_types=inputs, options=options)
    kinds = [(name, types.StringTensorType if name in original.strings else number) for name in original.columns or ()]
    inputs = [(name, kind([None, 1])) for name, kind in kinds]
    graph = skl2onnx.convert_sklearn(estimator, initial_types=inputs, options=options)
    return graph if original.strings else _of_one_matrix(graph, attempt.dtype)


def _by_name(original: Original) -> bool:
    """True if columns are told apart by name, as the steps of a ColumnTransformer do."""
    if original.columns is None:
        return False
    parts = [original.raw, *nested(original.raw)]
    named = any(hasattr(part, "transformers_") and hasattr(part, "feature_names_in_") for part in parts)
    return bool(original.strings) or named


def _with_cast(pipeline: Any) -> Any:
    """The same pipeline with a step before the trees that makes float32 of its numbers."""
    sklapi = importlib.import_module("skl2onnx.sklapi")
    numpy = importlib.import_module("numpy")
    steps = list(copy.copy(pipeline).steps)
    place = next((n for n, (_, step) in enumerate(steps) if _is_trees(step)), len(steps) - 1)
    steps.insert(place, ("to_float32", sklapi.CastTransformer(dtype=numpy.float32)))
    return type(pipeline)(steps)


def _is_trees(step: Any) -> bool:
    return any(_TREES.search(type(part).__name__) for part in (step, *nested(step)))


def _of_one_matrix(graph: Any, dtype: str) -> Any:
    """The graph with its inputs, a column each, made of one input that holds them all."""
    onnx = importlib.import_module("onnx")
    numpy = importlib.import_module("numpy")
    names = [value.name for value in graph.graph.input]
    kind = onnx.TensorProto.DOUBLE if dtype == "float64" else onnx.TensorProto.FLOAT
    sizes = onnx.numpy_helper.from_array(numpy.ones(len(names), dtype=numpy.int64), "penstock_sizes")
    split = onnx.helper.make_node("Split", [_MATRIX, sizes.name], names, axis=1, name="penstock_columns")
    matrix = onnx.helper.make_tensor_value_info(_MATRIX, kind, [None, len(names)])
    del graph.graph.input[:]
    graph.graph.input.append(matrix)
    graph.graph.initializer.append(sizes)
    graph.graph.node.insert(0, split)
    return graph


def _take_plain_numbers() -> None:
    """Have onnx make attributes of numpy's numbers too: converters hand these over, and newer releases refuse them."""
    helper: Any = importlib.import_module("onnx.helper")
    numpy = importlib.import_module("numpy")
    if hasattr(helper.make_attribute, "penstock"):
        return
    make = helper.make_attribute

    def make_attribute(key: str, value: Any, *more: Any, **named: Any) -> Any:
        return make(key, _plain(value, numpy), *more, **named)

    make_attribute.penstock = True  # pyright: ignore[reportFunctionMemberAccess]
    helper.make_attribute = make_attribute


def _plain(value: Any, numpy: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item, numpy) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, numpy.ndarray) and value.dtype.kind in "biuf":
        return [_plain(item, numpy) for item in value.tolist()]
    if isinstance(value, (bool, numpy.bool_, numpy.integer)):
        return int(value)
    return float(value) if isinstance(value, numpy.floating) else value
