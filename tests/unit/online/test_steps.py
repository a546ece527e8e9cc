"""How a rollout goes on, and who gets how much meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.fields import parse
from penstock.domain.rollout import Choice, Finding, Rollout
from penstock.online.steps import View, decide, shares

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)
OK = Finding(guard="errors", state="ok", message="0.10 % of 1,000 against 0.10 % of 9,000")
FAILED = Finding(guard="latency", state="failed", message="p95 90.0 ms against 30.0 ms")


def a_rollout(**fields: Any) -> Rollout:
    plan = {"to": "green", "steps": [10, 50, 100], "bake_time": "1m", "minimum_requests": 500, "maximum_wait": "10m"}
    return parse(Rollout, {**plan, **fields}, "r")


def verdict(spec: Rollout, seconds: float = 61, **view: Any):
    given_: dict[str, Any] = {"step": 0, "since": BEGIN, "requests": 500, "looks": 60, "findings": (OK,), **view}
    return decide(spec, View(**given_), BEGIN + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("fields", "view", "choice", "reason", "said"),
    [
        ({}, {}, Choice.ADVANCE, "GuardsPassed", "10 % -> 50 %"),
        ({}, {"step": 2}, Choice.DONE, "GuardsPassed", "all steps are passed"),
        ({}, {"seconds": 20}, Choice.WAIT, "Baking", "40s of 1m left"),
        (
            {},
            {"requests": 123},
            Choice.HOLD,
            "NotEnoughData",
            "377 more requests to the new deployment are needed (of 500)",
        ),
        ({}, {"looks": 3}, Choice.HOLD, "NotEnoughData", "2 more seconds with requests"),
        ({}, {"requests": 0, "seconds": 601}, Choice.HOLD, "DataMissing", "promote or abort it by hand"),
        (
            {"when_data_is_missing": "advance"},
            {"requests": 0, "seconds": 601},
            Choice.ADVANCE,
            "DataMissing",
            "10 % -> 50 %",
        ),
        (
            {"when_data_is_missing": "roll_back"},
            {"requests": 0, "seconds": 601},
            Choice.ROLL_BACK,
            "DataMissing",
            "500 more",
        ),
        ({"paused": True}, {}, Choice.HOLD, "Paused", "paused; else: 10 % -> 50 %"),
        (
            {"paused": True, "when_data_is_missing": "roll_back"},
            {"requests": 0, "seconds": 601},
            Choice.HOLD,
            "Paused",
            "paused; else: 500 more requests",
        ),
        (
            {"paused": True},
            {"findings": (OK, FAILED)},
            Choice.ROLL_BACK,
            "GuardFailed",
            "latency: p95 90.0 ms against 30.0 ms",
        ),
        ({}, {"findings": (FAILED,), "seconds": 1, "requests": 9}, Choice.ROLL_BACK, "GuardFailed", "latency"),
    ],
)
def test_what_follows_from_what_is_known(
    fields: dict[str, Any], view: dict[str, Any], choice: Choice, reason: str, said: str
) -> None:
    found = verdict(a_rollout(**fields), **view)
    assert (found.choice, found.reason) == (choice, reason)
    assert said in found.message


@given(
    requests=st.integers(0, 2000),
    more=st.integers(0, 2000),
    seconds=st.floats(0, 2000),
    longer=st.floats(0, 2000),
    step=st.integers(0, 2),
)
def test_more_requests_and_more_time_never_bring_it_back_from_going_on(
    requests: int, more: int, seconds: float, longer: float, step: int
) -> None:
    spec = a_rollout()
    onward = (Choice.ADVANCE, Choice.DONE)
    if verdict(spec, seconds, requests=requests, step=step).choice in onward:
        assert verdict(spec, seconds + longer, requests=requests + more, step=step).choice in onward


@given(
    seconds=st.floats(0, 10_000),
    requests=st.integers(0, 10_000),
    looks=st.integers(0, 100),
    step=st.integers(0, 2),
    paused=st.booleans(),
    missing=st.sampled_from(("hold", "advance", "roll_back")),
)
def test_a_guard_that_failed_always_takes_the_traffic_back(
    seconds: float, requests: int, looks: int, step: int, paused: bool, missing: str
) -> None:
    spec = a_rollout(paused=paused, when_data_is_missing=missing)
    found = verdict(spec, seconds, requests=requests, looks=looks, step=step, findings=(OK, FAILED))
    assert found.choice is Choice.ROLL_BACK


@given(
    before=st.dictionaries(st.sampled_from(("a", "b", "c", "d", "green")), st.integers(0, 100), max_size=5),
    percent=st.integers(1, 100),
)
def test_shares_always_sum_to_100_and_the_new_one_has_its_own(before: dict[str, int], percent: int) -> None:
    found = shares(before, "green", percent)
    others = any(share for name, share in before.items() if name != "green")
    assert sum(found.values()) == 100
    assert all(share >= 0 for share in found.values())
    assert found["green"] == (percent if others else 100)
    assert found.keys() <= {"green", *(name for name, share in before.items() if share)}


def test_the_others_keep_their_proportions() -> None:
    assert shares({"a": 60, "b": 30, "green": 10}, "green", 25) == {"a": 50, "b": 25, "green": 25}
