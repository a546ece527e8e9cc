"""What the compiler tries, and when two answers are alike."""

import math
from typing import Any

import pytest

from penstock_worker.compiler.attempts import Subject, attempts
from penstock_worker.compiler.comparison import Comparison, difference


@pytest.mark.parametrize(
    ("subject", "format_", "expected"),
    [
        (("sklearn", "LogisticRegression"), "auto", ["onnx in float64", "onnx in float32"]),
        (("sklearn", "RandomForestClassifier"), "auto", ["onnx in float32", "treelite in float64"]),
        (
            ("sklearn", "Pipeline", "StandardScaler", "HistGradientBoostingRegressor"),
            "auto",
            ["onnx in float64, the trees in float32", "onnx in float32"],
        ),
        (("lightgbm", "Booster"), "treelite", ["treelite in float64"]),
        (("sklearn", "LogisticRegression"), "treelite", []),
    ],
)
def test_what_is_fastest_to_serve_is_tried_first(subject: Any, format_: str, expected: list[str]) -> None:
    flavor, name, *parts = subject
    assert [str(way) for way in attempts(Subject(flavor, name, parts, numeric=True), format_)] == expected


def test_strings_are_not_for_treelite() -> None:
    assert attempts(Subject("lightgbm", "LGBMClassifier", (), numeric=False), "treelite") == []


@pytest.mark.parametrize(
    ("left", "right", "apart"),
    [
        (1.0, 1.0, 0.0),
        (math.nan, math.nan, 0.0),
        (math.inf, math.inf, 0.0),
        (0.001, 0.002, 0.001),
        (1000.0, 1001.0, 0.001),
        ([0.5, 0.5], [0.4, 0.6], 0.1),
        ("red", "red", 0.0),
        ("red", "white", math.inf),
        (1, 1.0, math.inf),
        (True, 1, math.inf),
        (1.0, math.nan, math.inf),
        ([1.0], [1.0, 1.0], math.inf),
        (1.0, None, math.inf),
    ],
)
def test_numbers_are_apart_by_parts_and_labels_altogether(left: Any, right: Any, apart: float) -> None:
    assert difference(left, right) == pytest.approx(apart)


def test_the_worst_rows_are_kept_in_order_and_all_are_counted() -> None:
    comparison = Comparison(tolerance=0.5)
    comparison.add([float(row) for row in range(40)], [0.0] * 40)
    comparison.add(["a"], ["b"])
    assert (comparison.rows, comparison.differing) == (41, 40)
    assert comparison.worst[0] == {"row": 40, "original": "a", "compiled": "b", "difference": None}
    assert len(comparison.worst) == 10
    assert comparison.max_difference == 1.0


def test_a_row_too_many_or_too_few_differs() -> None:
    comparison = Comparison(tolerance=1.0)
    comparison.add([1.0, 2.0], [1.0])
    assert (comparison.rows, comparison.differing) == (2, 1)
