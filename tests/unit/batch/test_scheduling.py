"""Who gets how many workers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.batch.scheduling import Contender, obstacle, seats
from penstock.domain.compute import Compute

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_job(name: str, wanted: int = 4, *, compute: str = "local", instance: int = 1, age: int = 0) -> Contender:
    since = NOW - timedelta(seconds=age)
    return Contender(job=name, compute=compute, wanted=wanted, instance=instance, since=since)


COMPUTES = {
    "small": Compute(max_instances=1),
    "large": Compute(max_instances=8),
    "spot": Compute(max_instances=8, tier="low_priority"),
    "none": Compute(max_instances=0),
}


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        pytest.param([a_job("a", 2)], {"a": 2}, id="a job alone gets what it wants"),
        pytest.param([a_job("a", 9)], {"a": 4}, id="but no more than the machine has"),
        pytest.param([a_job("a"), a_job("b")], {"a": 2, "b": 2}, id="two jobs share the machine"),
        pytest.param([a_job("a", 1), a_job("b")], {"a": 1, "b": 3}, id="what one does not want goes to the other"),
        pytest.param(
            [a_job(n, age=9 - i) for i, n in enumerate("abcdef")],
            {"a": 1, "b": 1, "c": 1, "d": 1, "e": 0, "f": 0},
            id="of many, the oldest run, the rest wait",
        ),
        pytest.param([a_job("a", compute="small")], {"a": 1}, id="a compute bounds its jobs"),
        pytest.param([a_job("a", compute="small", instance=2)], {"a": 2}, id="it counts instances, not workers"),
        pytest.param(
            [a_job("a", compute="small", age=1), a_job("b", compute="small")],
            {"a": 1, "b": 0},
            id="all its jobs together",
        ),
        pytest.param([a_job("a", compute="none")], {"a": 0}, id="a compute without instances runs nothing"),
        pytest.param(
            [a_job("a", compute="spot", age=9), a_job("b", compute="large", wanted=3)],
            {"a": 1, "b": 3},
            id="low priority gives way, whoever came first",
        ),
        pytest.param([a_job("a", compute="unknown")], {"a": 4}, id="a compute that nobody made bounds nothing"),
    ],
)
def test_the_machine_is_shared(jobs: list[Contender], expected: dict[str, int]) -> None:
    assert seats(jobs, COMPUTES, machine=4) == expected


@given(
    st.lists(
        st.builds(
            a_job,
            st.uuids().map(str),
            st.integers(1, 6),
            compute=st.sampled_from(["local", "small", "large", "spot"]),
            instance=st.integers(1, 3),
            age=st.integers(0, 50),
        ),
        max_size=12,
    ),
    st.integers(1, 8),
)
def test_nothing_is_idle_that_somebody_may_use_and_no_bound_is_broken(jobs: list[Contender], machine: int) -> None:
    given_ = seats(jobs, COMPUTES, machine)
    assert sum(given_.values()) <= machine
    assert all(given_[job.job] <= job.wanted for job in jobs)
    for name, compute in COMPUTES.items():
        mine = [job for job in jobs if job.compute == name]
        assert sum(-(-given_[job.job] // job.instance) for job in mine) <= compute.max_instances or not mine
    free = machine - sum(given_.values())
    assert free == 0 or all(given_[j.job] == j.wanted for j in jobs if j.compute == "local")


@pytest.mark.parametrize(
    ("job", "words"),
    [
        pytest.param(a_job("a", compute="none"), "max_instances: 0", id="its compute has no instances"),
        pytest.param(a_job("a", compute="spot"), "low priority", id="others come first"),
        pytest.param(a_job("a"), "other jobs to end", id="the machine is full"),
    ],
)
def test_a_job_that_waits_says_for_what(job: Contender, words: str) -> None:
    assert words in obstacle(job, COMPUTES)
