"""How far two samples of predictions are apart, and how much of that is chance."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.online.shift import MOST_ROWS, Row, class_distance, look_size, number_distance, shifts

values = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=80)


def rows(found: list[Any]) -> list[Row]:
    return [{"prediction": each} for each in found]


@given(values, values)
def test_the_distance_is_the_same_both_ways_and_none_to_itself(new: list[float], old: list[float]) -> None:
    distance, chance, _ = number_distance(new, old)
    assert 0 <= distance <= 1
    assert 0 <= chance <= 1
    assert number_distance(old, new)[0] == pytest.approx(distance)
    assert number_distance(new, new)[0] == 0


@given(st.lists(st.sampled_from("abcde"), min_size=1), st.lists(st.sampled_from("abcde"), min_size=1))
def test_shares_of_classes_differ_by_at_most_all(new: list[str], old: list[str]) -> None:
    distance, chance, _ = class_distance(new, old)
    assert 0 <= distance <= 1
    assert 0 <= chance <= 1
    assert class_distance(old, new)[0] == pytest.approx(distance)


def test_samples_apart_are_as_far_as_can_be() -> None:
    assert number_distance([1.0, 2.0], [3.0, 4.0])[0] == 1
    assert class_distance(["a"] * 50, ["b"] * 50)[:2] == (1.0, pytest.approx(0, abs=1e-12))


def test_the_chance_of_shares_is_the_chi_squared_distributions() -> None:
    """60 of 100 against 40 of 100: a statistic of 8 with one degree of freedom, 0.00468 in the tables."""
    assert class_distance(["a"] * 60 + ["b"] * 40, ["a"] * 40 + ["b"] * 60)[1] == pytest.approx(0.00468, rel=0.05)


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_samples_are_looked_at_in_few_sizes_that_grow(first: int, second: int) -> None:
    small, large = sorted((first, second))
    assert look_size(small) <= look_size(large)
    assert look_size(small) <= small
    assert len({look_size(n) for n in range(0, MOST_ROWS + 1)} - {0}) <= 18


def test_equals_are_rarely_far_apart_and_half_a_deviation_is_found_in_400() -> None:
    rng = random.Random(3)

    def sample(mean: float, count: int) -> list[Row]:
        return rows([rng.gauss(mean, 1) for _ in range(count)])

    equal = [shifts(sample(0, 400), sample(0, 1600))[0] for _ in range(200)]
    assert not any(shift.chance < 0.005 and shift.distance >= 0.08 for shift in equal)
    moved = [shifts(sample(0.5, 400), sample(0, 1600))[0] for _ in range(20)]
    assert all(shift.chance < 1e-4 and shift.distance >= 0.08 for shift in moved)


def test_few_whole_numbers_are_classes_and_many_are_numbers() -> None:
    few, many = rows([n % 3 for n in range(300)]), rows(list(range(300)))
    assert "share of" in shifts(few, few)[0].words
    assert "median" in shifts(many, many)[0].words


def test_names_that_occur_once_are_no_shift() -> None:
    """Such as ids in an answer: all of them are rare classes."""
    new, old = rows([f"n{n}" for n in range(200)]), rows([f"o{n}" for n in range(800)])
    assert shifts(new, old)[0].chance == 1


def test_too_few_rows_and_columns_of_one_alone_say_nothing() -> None:
    assert shifts(rows([1.0] * 24), rows([2.0] * 1000)) == []
    assert shifts([{"a": 1.0}] * 100, [{"b": 1.0}] * 100) == []


def test_the_column_that_moved_farthest_comes_first() -> None:
    rng = random.Random(4)
    new: list[Row] = [{"same": rng.random(), "moved": rng.random() + 2} for _ in range(100)]
    old: list[Row] = [{"same": rng.random(), "moved": rng.random()} for _ in range(100)]
    assert [shift.column for shift in shifts(new, old)] == ["moved", "same"]
