"""What callers hand to `predict`, and what they get."""

import json
from typing import Any

import pytest

from penstock.domain.errors import PenstockError
from penstock.mlflow_deployments.payload import body, predictions


class Array:
    """As numpy's, as far as it is looked at."""

    def tolist(self) -> list[list[int]]:
        return [[1, 2]]


class Table:
    """As pandas', as far as it is looked at."""

    columns = ("amount",)

    def to_json(self, *, orient: str, date_format: str) -> str:
        assert (orient, date_format) == ("split", "iso")
        return '{"columns": ["amount"], "index": [0], "data": [[1]]}'


@pytest.mark.parametrize(
    ("inputs", "sent"),
    [
        pytest.param(Table(), {"dataframe_split": {"columns": ["amount"], "index": [0], "data": [[1]]}}, id="a table"),
        pytest.param(Array(), {"inputs": [[1, 2]]}, id="an array"),
        pytest.param([[1, 2]], {"inputs": [[1, 2]]}, id="rows"),
        pytest.param({"x": Array()}, {"inputs": {"x": [[1, 2]]}}, id="arrays by name"),
        pytest.param({"instances": Array()}, {"instances": [[1, 2]]}, id="a request body"),
        pytest.param(
            {"input_data": {"data": Array()}, "params": {"n": 1}},
            {"input_data": {"data": [[1, 2]]}, "params": {"n": 1}},
            id="Azure's request body",
        ),
    ],
)
def test_inputs_become_a_request(inputs: Any, sent: Any) -> None:
    assert json.loads(body(inputs)) == sent


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(PenstockError, match="of type object"):
        body(object())


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"[0, 1]", {"predictions": [0, 1]}),
        (b'{"predictions": [0]}', {"predictions": [0]}),
        (b'{"score": 1}', {"predictions": {"score": 1}}),
    ],
)
def test_answers_are_predictions(answer: bytes, shown: dict[str, Any]) -> None:
    assert predictions(answer) == shown


def test_an_answer_that_is_no_json_is_shown() -> None:
    with pytest.raises(PenstockError, match="<html>"):
        predictions(b"<html>")
