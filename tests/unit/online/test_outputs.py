"""Predictions in the answers of models, in all the forms that they have, and none in others."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.online.outputs import predictions


def p(*values: Any) -> list[dict[str, Any]]:
    return [{"prediction": value} for value in values]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ([1, 2.5], p(1.0, 2.5)),
        (json.dumps([1, 0]), p(1.0, 0.0)),  # a script that returns json.dumps(...)
        ({"predictions": ["a", "b"]}, p("a", "b")),
        ({"predictions": [[0.1, 0.7, 0.2]]}, p("class 1")),
        ({"predictions": [{"label": "x", "score": 0.5, "id": 7}]}, [{"label": "x", "score": 0.5}]),
        ({"outputs": [{"name": "y", "shape": [2], "datatype": "FP64", "data": [1, 2]}]}, [{"y": 1.0}, {"y": 2.0}]),
        (
            {"outputs": [{"name": "y", "shape": [2, 2], "data": [0.9, 0.1, 0.2, 0.8]}]},
            [{"y": "class 0"}, {"y": "class 1"}],
        ),
        ([[0.5], [0.25]], p(0.5, 0.25)),
        ([True], p("true")),
        ({"result": "yes", "version": "green", "pid": 12}, [{"result": "yes"}]),
        ({"amount": 3, "model_version": "7", "elapsed_ms": 4}, [{"amount": 3.0}]),
        (4, p(4.0)),
        ([None, float("nan"), float("inf"), [], {}, [[1]], 10**400], []),
        ({"outputs": [{"name": "y", "shape": [3], "data": [1]}]}, []),
        ({"outputs": [{"name": "y", "shape": ["3"], "data": [1]}]}, []),
    ],
)
def test_forms_of_answers(answer: Any, found: list[dict[str, Any]]) -> None:
    assert list(predictions(json.dumps(answer).encode())) == found


def test_columns_that_are_named_are_taken_and_no_others() -> None:
    answer = json.dumps([{"label": "x", "pid": 3, "risk": 0.5}]).encode()
    assert list(predictions(answer, ("risk", "pid"))) == [{"pid": 3.0, "risk": 0.5}]


@pytest.mark.parametrize("answer", [b"", b"\xff\xfe", b"<html>", b"[" * 100_000, b"[1" + b" " * 1_000_000 + b"]"])
def test_what_is_no_json_or_too_much_of_it_is_nothing(answer: bytes) -> None:
    assert list(predictions(answer)) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(("outputs", "data", "shape", "name", "y")), inner)
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_it_fail(answer: Any) -> None:
    for row in predictions(json.dumps(answer).encode()):
        assert row
        assert all(isinstance(value, (float, str)) for value in row.values())
