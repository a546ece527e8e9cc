"""The rows that a model fails on are found with few calls; the others are predicted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock_worker.batch.bisection import Bisected, Effort, bisect
from penstock_worker.batch.predictions import ResultError


def bisected(rows: int, bad: set[int], calls: int = 300) -> tuple[Bisected, int]:
    made = 0

    def predict(start: int, stop: int) -> range:
        nonlocal made
        made += 1
        if any(start <= row < stop for row in bad):
            raise ValueError(f"a bad row from {start} on")
        return range(start, stop)

    return bisect(predict, rows, Effort(calls)), made


@given(rows=st.integers(0, 400), bad=st.sets(st.integers(0, 399), max_size=40), calls=st.integers(0, 300))
def test_every_row_comes_out_once_in_order_and_none_that_is_bad_is_predicted(
    rows: int, bad: set[int], calls: int
) -> None:
    found, made = bisected(rows, bad, calls)
    told = [row for piece in found.pieces for row in range(piece.start, piece.stop)]
    assert told == list(range(rows))
    for piece in found.pieces:
        assert (piece.result is None) == bool(piece.reason)
        if piece.result is not None:
            assert piece.result == range(piece.start, piece.stop)
            assert not bad & set(piece.result)
    assert made <= calls + 2


def test_one_bad_row_among_many_costs_few_calls() -> None:
    found, made = bisected(16_384, {9_999})
    assert [(p.start, p.stop, p.reason) for p in found.pieces if p.reason] == [
        (9_999, 10_000, "the model failed: ValueError: a bad row from 9999 on")
    ]
    assert made < 32


def test_a_model_that_fails_on_all_rows_is_given_up_soon() -> None:
    found, made = bisected(16_384, set(range(16_384)))
    assert all(piece.result is None for piece in found.pieces)
    assert str(found.error) == "a bad row from 0 on"
    assert made <= 33


def test_a_result_of_the_wrong_length_is_no_fault_of_a_row() -> None:
    def predict(start: int, stop: int) -> None:
        raise ResultError("the model returned 3 results for 4 rows")

    with pytest.raises(ResultError):
        bisect(predict, 4, Effort(300))
