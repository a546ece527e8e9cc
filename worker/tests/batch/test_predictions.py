"""Whatever a model returns becomes columns, or a sentence that says why not."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock_worker.batch.predictions import Predictions, ResultError


def columns(result: Any, rows: int = 2) -> dict[str, list[Any]]:
    return {name: column.to_pylist() for name, column in Predictions(pa, np).columns(result, rows).items()}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(np.array([1.5, 2.5]), {"prediction": [1.5, 2.5]}, id="a number for each row"),
        pytest.param(np.array(["a", "b"]), {"prediction": ["a", "b"]}, id="a label for each row"),
        pytest.param(np.array([[1], [2]]), {"prediction": [1, 2]}, id="a matrix of one column"),
        pytest.param(
            np.array([[0.1, 0.9], [0.2, 0.8]]), {"prediction_0": [0.1, 0.2], "prediction_1": [0.9, 0.8]}, id="a matrix"
        ),
        pytest.param([1, 2], {"prediction": [1, 2]}, id="a list"),
        pytest.param([[1, 2], [3, 4]], {"prediction_0": [1, 3], "prediction_1": [2, 4]}, id="rows of one length"),
        pytest.param([[1], [2, 3]], {"prediction": [[1], [2, 3]]}, id="rows of several lengths"),
        pytest.param([{"a": 1}, {"a": 2, "b": "x"}], {"a": [1, 2], "b": [None, "x"]}, id="objects"),
        pytest.param({"label": ["a", "b"], "score": np.array([1.0, 2.0])}, {"label": ["a", "b"], "score": [1, 2]},
                     id="an object of columns"),
        pytest.param([1, "x"], {"prediction": ["1", "x"]}, id="what has no common type, as text"),
        pytest.param(np.zeros((2, 2, 2)).astype(int), {"prediction": [[[0, 0]] * 2] * 2}, id="an array for each row"),
    ],
)  # fmt: skip
def test_results_become_columns(result: Any, expected: dict[str, list[Any]]) -> None:
    assert columns(result) == expected


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        pytest.param(np.array([1.0]), "the model returned 1 results for 2 rows", id="too few"),
        pytest.param([1, 2, 3], "the model returned 3 results for 2 rows", id="too many"),
        pytest.param(None, "the model returned nothing for 2 rows", id="nothing"),
        pytest.param("text", "the model returned a str for 2 rows", id="one text"),
        pytest.param({}, "the model returned a dict without columns", id="no columns"),
    ],
)
def test_a_result_that_is_not_one_for_each_row_is_the_models_fault(result: Any, sentence: str) -> None:
    with pytest.raises(ResultError) as raised:
        columns(result)
    assert str(raised.value) == sentence


def test_the_result_for_one_image_may_lack_the_axis_of_rows() -> None:
    single = Predictions(pa, np).single(np.array([0.1, 0.9]))
    assert {name: column.to_pylist() for name, column in single.items()} == {
        "prediction_0": [0.1],
        "prediction_1": [0.9],
    }
