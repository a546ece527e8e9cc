"""When an answer is the one that a golden request expects."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.golden import Expectation, Shape, Tolerance
from penstock.online.golden_comparison import MOST_MISMATCHES, compared, differing

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def told(expect: Expectation, answer: Any, status: int = 200) -> list[tuple[str, str, str]]:
    return [(m.path, m.expected, m.got) for m in compared(expect, status, json.dumps(answer).encode())]


@given(ANY_JSON)
def test_every_answer_is_what_it_is(value: Any) -> None:
    assert told(Expectation(answer=value), value) == []


@given(ANY_JSON, ANY_JSON)
def test_what_differs_can_be_ignored_and_nothing_is_missed(one: Any, other: Any) -> None:
    paths = differing(one, other)
    assert (paths == []) == (differing(other, one) == [])
    if one is not None and "" not in paths and not any("." in path or "*" in path for path in _names(one, other)):
        assert told(Expectation(answer=one, ignore=tuple(paths)), other) == []


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 10), st.floats(0, 0.5))
def test_a_number_may_be_off_by_the_larger_of_both_tolerances(one: float, other: float, by: float, part: float) -> None:
    good = told(Expectation(answer=one, tolerance=Tolerance(abs=by, rel=part)), other) == []
    assert good == (one == other or abs(one - other) <= max(by, part * abs(one)))


def test_a_mismatch_has_its_path_and_both_values() -> None:
    expect = Expectation(answer={"rows": [{"price": 100.0, "pid": 7}], "old": 1}, tolerance=Tolerance(rel=0.01))
    assert told(expect, {"rows": [{"price": 102.5, "pid": 8}], "new": 2}) == [
        ("rows.0.price", "100.0 within 1 %", "102.5 (+2.5)"),
        ("rows.0.pid", "7 within 1 %", "8 (+1)"),
        ("old", "1", "nothing"),
        ("new", "nothing", "2"),
    ]
    loose = expect.model_copy(update={"ignore": ("rows.*.pid", "rows.0.price", "old", "new")})
    assert told(loose, {"rows": [{"price": 102.5, "pid": 8}], "new": 2}) == []


def test_types_and_lengths_count_and_one_is_not_true() -> None:
    assert told(Expectation(answer=1), 1.0) == []
    assert told(Expectation(answer=1), True) == [("", "1", "true")]
    assert told(Expectation(answer="1"), 1) == [("", '"1"', "1")]
    assert told(Expectation(answer=[1]), [1, 2]) == [("", "1 items", "2 items")]
    assert told(Expectation(answer=[0]), {}) == [("", "[0]", "{}")]


def test_another_status_is_told_with_what_the_answer_said() -> None:
    assert told(Expectation(answer=1), {"error": "no"}, 400) == [("status", "200", '400 {"error": "no"}')]
    assert told(Expectation(status=400), {"anything": 1}, 400) == []


def test_an_answer_that_is_no_json_is_compared_as_text() -> None:
    assert list(compared(Expectation(answer="<b>fine</b>"), 200, b"<b>fine</b>")) == []
    assert len(list(compared(Expectation(answer="fine"), 200, b"\xff"))) == 1


def test_mismatches_are_bounded() -> None:
    assert len(told(Expectation(answer=list(range(100))), list(range(1, 101)))) == MOST_MISMATCHES


@pytest.mark.parametrize("depth", [90, 110, 100_000])
def test_deep_answers_are_no_fault_of_ours(depth: int) -> None:
    body = b"[" * depth + b"]" * depth
    assert len(list(compared(Expectation(answer=[]), 200, body))) == 1


@pytest.mark.parametrize(
    ("shape", "answer", "expected"),
    [
        ({"type": "null"}, None, None),
        ({"type": ["integer", "null"]}, 2.0, None),
        ({"type": "integer"}, 2.5, "integer"),
        ({"type": "number"}, True, "number"),
        ({"enum": ["low", 1]}, 1.0, None),
        ({"enum": ["low", 1]}, True, 'one of ["low", 1]'),
        ({"minimum": 0, "maximum": 1}, 1.5, "at most 1"),
        ({"minimum": 0, "maximum": 1}, float("nan"), "at least 0"),
        ({"maxLength": 2}, "abc", "at most 2 characters"),
        ({"items": {"type": "number"}, "minItems": 1}, [1, 2], None),
        ({"items": {"type": "number"}, "minItems": 1}, [], "at least 1 items"),
        ({"items": {"type": "number"}}, ["x"], "number"),
        ({"required": ["a"]}, {}, "to be there"),
        ({"properties": {"a": {"type": "string"}}, "additionalProperties": False}, {"a": "x"}, None),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1, "b": 2}, "nothing"),
    ],
)
def test_shapes(shape: dict[str, Any], answer: Any, expected: str | None) -> None:
    found = told(Expectation(shape=Shape.model_validate(shape)), answer)
    assert [each for _, each, _ in found] == ([] if expected is None else [expected])


def _names(*values: Any) -> set[str]:
    found: set[str] = set()
    for value in values:
        if isinstance(value, dict):
            found |= value.keys() | _names(*value.values())
        if isinstance(value, list):
            found |= _names(*value)
    return found
