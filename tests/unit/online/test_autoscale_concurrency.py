"""Scaling by requests in flight: the arithmetic of Knative's autoscaler, and that a steady load is left alone."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.domain.autoscale import Concurrency, Memory
from penstock.online.autoscale_concurrency import by_concurrency
from penstock.online.autoscale_proposal import Proposal
from penstock.online.readings import Instances
from penstock.testing.readings import GivenReadings

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
_NONE = Memory()
AT_ONCE = Concurrency(scale_in_delay=timedelta(0))


def proposed(
    present: int,
    flight: float | None,
    *,
    now_in_flight: float | None = None,
    after: int = 0,
    memory: Memory = _NONE,
    settings: Concurrency = AT_ONCE,
    **given: Any,
) -> Proposal:
    instances = Instances(present, given.pop("ready", present))
    readings = GivenReadings(instances=instances, flight=flight, flight_now=now_in_flight, **given)
    return by_concurrency(settings, readings, memory, NOON + timedelta(seconds=after))


@pytest.mark.parametrize(
    ("present", "flight", "at_once", "needed"),
    [
        (1, 0.7, 1, 1),
        (1, 0.71, 1, 2),
        (3, 2.1, 1, 3),  # 2.1 / 0.7 is more than 3 in floating point
        (2, 10.0, 10, 2),
        (4, 0.0, 1, 2),  # not less than half of them at once
        (9, 0.1, 1, 4),
        (1, 350.0, 1, 500),
    ],
)
def test_needed_are_requests_in_flight_over_the_target(present: int, flight: float, at_once: int, needed: int) -> None:
    assert proposed(present, flight, at_once=at_once).instances == needed


def test_a_target_of_its_own_counts_instead_of_what_an_instance_takes() -> None:
    assert proposed(1, 10.0, at_once=50, settings=Concurrency(target=2.5)).instances == 4


def test_twice_what_they_take_is_a_panic_that_lasts_a_stable_window_beyond_its_cause() -> None:
    begun = proposed(2, 1.0, now_in_flight=2.8)
    assert (begun.instances, begun.memory.panic_since) == (4, NOON)
    calmer = proposed(4, 1.0, now_in_flight=1.0, after=60, memory=begun.memory)
    assert calmer.instances == 4  # nothing goes
    more = proposed(4, 1.0, now_in_flight=5.0, after=59, memory=begun.memory)
    assert (more.instances, more.memory.panic_since) == (8, NOON)  # the need counts although it is no new cause
    over = proposed(4, 1.0, now_in_flight=1.0, after=61, memory=begun.memory)
    assert (over.instances, over.memory.panic_since) == (2, None)


def test_less_than_twice_waits_for_the_stable_window() -> None:
    assert proposed(3, 1.0, now_in_flight=2.8).instances == 3
    assert proposed(3, 1.0, now_in_flight=1.0).instances == 2
    assert proposed(3, 2.8, now_in_flight=2.8).instances == 4


def test_in_a_panic_none_of_those_there_were_goes() -> None:
    assert proposed(10, 0.5, now_in_flight=2.8, ready=2).instances == 10


def test_what_was_needed_within_the_delay_is_kept_and_never_added() -> None:
    settings = Concurrency(scale_in_delay=timedelta(minutes=5))
    memory = proposed(4, 2.8, settings=settings).memory
    assert proposed(4, 0.5, after=299, memory=memory, settings=settings).instances == 4
    assert proposed(4, 0.5, after=300, memory=memory, settings=settings).instances == 2
    assert proposed(2, 0.5, after=299, memory=memory, settings=settings).instances == 1 + 1  # those there are


def test_the_memory_of_peaks_is_short() -> None:
    memory = Memory()
    for n, flight in enumerate([9, 3, 7, 2, 8, 1, 1, 2] * 50):
        memory = proposed(1, float(flight), after=2 * n, memory=memory, settings=Concurrency()).memory
        heights = [peak.instances for peak in memory.peaks]
        assert heights == sorted(set(heights), reverse=True)
        assert len(heights) <= 9


def test_what_cannot_be_read_proposes_nothing() -> None:
    found = proposed(3, None)
    assert (found.instances, found.unread) == (3, "Concurrency")


def test_too_short_a_look_back_brings_instances_and_takes_none() -> None:
    assert proposed(3, None, now_in_flight=0.1).instances == 3
    assert proposed(3, None, now_in_flight=7.0).instances == 10


def test_what_waited_for_the_first_instance_does_not_count() -> None:
    memory = Memory()
    for after, ready, needed in ((0, 0, 1), (2, 0, 1), (4, 1, 1), (6, 1, 13)):
        found = proposed(1, 9.0, after=after, ready=ready, memory=memory)
        memory = found.memory
        assert found.instances == needed, after


def test_fewer_that_would_panic_at_once_are_too_few() -> None:
    found = proposed(4, 0.5, now_in_flight=2.7)
    assert found.out_again(1) is not None
    assert found.out_again(3) is None


@given(st.integers(1, 50), st.floats(0, 40), st.integers(1, 8), st.sampled_from([0, 60, 300]))
def test_a_steady_load_comes_to_rest_and_stays_there(present: int, flight: float, at_once: int, delay: int) -> None:
    settings = Concurrency(scale_in_delay=timedelta(seconds=delay))
    memory, counts = Memory(), [present]
    for n in range(400):
        found = proposed(counts[-1], flight, at_once=at_once, after=2 * n, memory=memory, settings=settings)
        memory = found.memory
        counts.append(max(1, found.instances))
    target = 0.7 * at_once
    assert len(set(counts[-50:])) == 1
    assert (counts[-1] - 1) * target <= flight + 1e-6 <= counts[-1] * target + 2e-6 or counts[-1] == 1
    changes = [after - before for before, after in pairwise(counts) if after != before]
    assert all(change > 0 for change in changes) or all(change < 0 for change in changes)
