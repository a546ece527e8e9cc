"""The simulator: what is conserved, what is known of queues, and that it decides as the platform does."""

import itertools
import random
from array import array
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.domain.autoscale import Autoscale
from penstock.domain.fields import parse
from penstock.online.simulated_fleet import Model
from penstock.online.simulation import Simulation, simulate

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def steady(rate: float, seconds: int, seed: int = 1) -> "array[float]":
    """Arrivals of a Poisson process."""
    generator, arrivals, at = random.Random(seed), array("d"), 0.0
    while (at := at + generator.expovariate(rate)) < seconds:
        arrivals.append(at)
    return arrivals


def simulated(arrivals: "array[float]", model: Model = Model(), most: int | None = None, **policy: Any) -> Simulation:  # noqa: B008
    return simulate(parse(Autoscale, {"min": 1, "max": 8, **policy}, "test"), arrivals, model, MONDAY, most=most)


MODELS = st.builds(
    Model,
    service_seconds=st.floats(0.005, 1.5),
    service_spread=st.sampled_from([0.0, 0.5, 2.0]),
    start_seconds=st.floats(0, 30),
    at_once=st.integers(1, 4),
    queue=st.integers(0, 20),
    wait_seconds=st.floats(0.1, 10),
    hold_seconds=st.floats(1, 40),
    seed=st.integers(1, 5),
)
ARRIVALS = st.lists(st.floats(0, 5), max_size=150).map(lambda gaps: array("d", itertools.accumulate(gaps)))
POLICIES = st.sampled_from(
    [
        {},
        {"min": 0, "idle_time": "10s"},
        {"max": 2},
        {"rules": [{"condition": "CpuUtilizationPercentage > 60 avg 10s", "scale": "out 1", "cooldown": "10s"}]},
        {"rules": [{"condition": "RequestLatency_P99 > 500 max 10s", "scale": "to 4", "timegrain": "max 5s"}]},
    ]
)


@settings(max_examples=60)
@given(ARRIVALS, MODELS, POLICIES)
def test_requests_are_conserved_and_littles_law_holds(
    arrivals: "array[float]", model: Model, policy: dict[str, Any]
) -> None:
    result = simulated(arrivals, model, **policy)
    assert result.requests == len(arrivals) == result.answered + result.lost
    assert sum(column.lost for column in result.columns) <= result.lost
    # The mean number that is there is the rate at which they come, times how long they stay.
    assert result.mean_in_system * result.seconds == pytest.approx(result.time_in_system, rel=1e-6, abs=1e-6)
    assert result.most_instances <= policy.get("max", 8)
    assert result.instance_hours <= result.most_instances * (result.seconds + 2) / 3600
    assert all(change.before != change.after for change in result.changes)
    assert all(a.after == b.before for a, b in itertools.pairwise(result.changes))


def test_the_same_arguments_give_the_same_result() -> None:
    arrivals = steady(20, 300)
    assert simulated(arrivals) == simulated(arrivals)
    assert simulated(arrivals) != simulated(arrivals, Model(seed=2))


def test_an_only_server_waits_as_long_as_pollaczek_and_khinchine_say() -> None:
    model = Model(service_seconds=0.05, service_spread=0.5, queue=10**6, wait_seconds=1e6)
    result = simulated(steady(12, 20_000), model, max=1)
    load, spread = 12 * 0.05, 0.5
    wait = load * 0.05 * (1 + spread**2) / (2 * (1 - load))
    assert result.time_in_system / result.answered == pytest.approx(0.05 + wait, rel=0.05)


def test_a_queue_that_is_full_and_patience_that_ends_lose_requests() -> None:
    burst = array("d", [1.0] * 30)
    assert simulated(burst, Model(service_seconds=1, service_spread=0, queue=9, wait_seconds=60), max=1).lost == 20
    impatient = Model(service_seconds=1, service_spread=0, queue=100, wait_seconds=4.5)
    assert simulated(burst, impatient, max=1).answered == 5


def test_who_sleeps_is_woken_by_the_first_request_and_loses_none() -> None:
    arrivals = array("d", [1000.0, 1000.5, 2000.0])
    result = simulated(arrivals, Model(start_seconds=3), min=0, idle_time="5m")
    assert result.lost == 0
    assert result.p50 == pytest.approx(3.0, abs=0.6)
    assert [(round(change.at), change.before, change.after) for change in result.changes][:2] == [
        (1001, 0, 1),
        (1304, 1, 0),
    ]
    assert result.instance_hours * 3600 < 700


@pytest.mark.parametrize(
    "rules", [[], [{"condition": "RequestsPerMinute > 10 avg 5m", "scale": "out 1", "cooldown": "0s"}]]
)
def test_who_sleeps_stays_asleep_until_somebody_comes(rules: list[dict[str, Any]]) -> None:
    arrivals = array("d", [*steady(10, 60), 900.0])
    result = simulated(arrivals, Model(), min=0, max=1, idle_time="10s", rules=rules)
    assert [change.after for change in result.changes if change.at > 60] == [0, 1]


def test_an_idle_time_begins_anew_with_each_change_as_on_the_platform() -> None:
    rule = {"condition": "RequestsPerMinute < 5 avg 30s", "scale": "in 1", "timegrain": "avg 30s", "cooldown": "0s"}
    arrivals = array("d", [*steady(10, 60), 900.0])
    result = simulated(arrivals, Model(), min=0, max=2, default=2, idle_time="1m", rules=[rule])
    fewer, asleep = (change for change in result.changes if 60 < change.at < 900)
    assert (fewer.after, asleep.after) == (1, 0)
    assert asleep.at - fewer.at >= 60


def test_a_step_of_load_is_answered_by_instances_within_ten_seconds() -> None:
    arrivals = array("d", sorted([*steady(5, 120), *(60 + at for at in steady(100, 60, seed=2))]))
    result = simulated(arrivals, Model(service_seconds=0.04))
    out = next(change for change in result.changes if change.after > change.before)
    assert 60 <= out.at <= 70
    assert max(change.after for change in result.changes if change.at <= 72) >= 6


def test_the_machine_bounds_what_the_policy_wants() -> None:
    result = simulated(steady(100, 120), Model(service_seconds=0.04), most=3)
    assert result.most_instances == 3


def test_profiles_go_by_the_time_that_is_simulated() -> None:
    profile = {"name": "early", "min": 4, "max": 4, "recurrence": {"days": "mon", "start": "00:10", "end": "00:20"}}
    result = simulated(steady(1, 1800), profiles=[profile])
    assert (result.changes[0].at, result.changes[0].after) == (600, 4)
    assert result.changes[-1].after == 1


def test_a_steady_load_is_left_alone() -> None:
    result = simulated(steady(25, 7200), Model(service_seconds=0.04))  # one request in flight, 1.4 instances' worth
    late = [change for change in result.changes if change.at > 600]
    assert len(late) <= 4, late
