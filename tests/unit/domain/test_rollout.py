"""The file of a rollout: what it may say, and what is made of it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.durations import span, span_text
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.domain.rollout import Ramp, Rollout, RolloutStatus, unfinished


def a_rollout(**fields: Any) -> Rollout:
    return parse(Rollout, {"to": "green", **fields}, "rollout.yml")


def test_to_is_enough() -> None:
    spec = a_rollout()
    assert [step.percent for step in spec.stages] == [5, 25, 50, 100]
    assert spec.bake_of(0) == timedelta(minutes=5)
    assert spec.guards.errors is not None


def test_steps_are_percents_or_have_a_time_of_their_own() -> None:
    spec = a_rollout(steps=[5, {"percent": 50, "bake_time": "PT30M"}, 100], bake_time=90)
    assert [spec.bake_of(step) for step in range(3)] == [
        timedelta(seconds=90),
        timedelta(minutes=30),
        timedelta(seconds=90),
    ]


@given(
    kind=st.sampled_from(("linear", "exponential")),
    percent=st.integers(1, 100),
    factor=st.floats(1.1, 100),
)
def test_ramps_grow_and_end_at_100(kind: Any, percent: int, factor: float) -> None:
    percents = [step.percent for step in Ramp(type=kind, percent=percent, factor=factor).steps()]
    assert percents[0] == percent
    assert percents == sorted(set(percents))
    assert percents[-1] == 100


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"steps": [50, 25, 100]}, "each must be above the one before"),
        ({"steps": [5, 50]}, "and the last 100"),
        ({"steps": []}, "give 1 to 100"),
        ({"steps": [0, 100]}, "greater than or equal to 1"),
        ({"from": "green"}, "from one deployment to another"),
        ({"bake_time": "31d"}, "30 days at most"),
        ({"bake_time": "soon"}, "write for example 5m, 90s, 1h30m or PT5M"),
        ({"bake_time": -5}, "write for example"),
        ({"guards": {"latencies": {}}}, "did you mean 'latency'?"),
        ({"guards": {"metrics": [{"name": "m"}]}}, "give maximum, minimum or relative"),
        ({"guards": {"metrics": [{"name": "m", "url": "http://h/m", "relative": 2}]}}, "relative compares instances"),
        ({"guards": {"checks": [{"url": "file:///etc/passwd"}]}}, "pattern"),
        ({"guards": {"checks": [{"url": "http://user:secret@host/"}]}}, "pattern"),
    ],
)
def test_what_makes_no_rollout_is_refused_in_words(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(PenstockError) as error:
        a_rollout(**fields)
    assert said in error.value.message


@given(st.integers(0, 30 * 86_400_000))
def test_spans_are_read_as_they_are_written(milliseconds: int) -> None:
    value = timedelta(milliseconds=milliseconds)
    assert span(span_text(value)) == value


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5m", 300),
        (300, 300),
        ("300", 300),
        (1.5, 1.5),
        ("PT5M", 300),
        ("PT1H30M", 5400),
        ("P1DT1S", 86_401),
        ("P2W", 1_209_600),
    ],
)
def test_spans_have_several_forms(written: object, seconds: float) -> None:
    assert span(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize("written", ["", "P", "PT", "P1D1H", True, None, -1, "5 minutes", "9" * 60])
def test_other_spans_are_refused(written: object) -> None:
    with pytest.raises(PenstockError, match="write for example 5m"):
        span(written)


def test_it_comes_back_from_the_store_as_it_went() -> None:
    spec = a_rollout(steps={"type": "exponential", "percent": 1}, shadow={}, **{"from": "blue"})
    assert Rollout.model_validate_json(spec.model_dump_json()) == spec


def test_commands_are_no_part_of_the_plan() -> None:
    commanded = a_rollout().model_copy(update={"paused": True, "ending": "abort", "attempt": 7})
    assert commanded.plan() == a_rollout()


def test_a_new_attempt_is_unfinished_until_its_end_has_settled() -> None:
    done = RolloutStatus(attempt=1, settled=True)
    assert not unfinished(a_rollout(), done)
    assert unfinished(a_rollout(attempt=2), done)
    assert unfinished(a_rollout(), RolloutStatus(attempt=1))
    assert not unfinished(a_rollout(ending="override"), RolloutStatus(attempt=1))
