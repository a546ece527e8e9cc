"""Which instances start, drain and stop: as tables, and as a property followed to the end."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.online import NOW, an_instance, seconds, wants

from penstock.domain.instance import Instance, InstanceName, Phase
from penstock.online.instances import Plan, plan, restart_pause


def new(ordinal: int, **facts) -> Instance:
    return an_instance(ordinal, revision="new", **facts)


def old(ordinal: int, **facts) -> Instance:
    return an_instance(ordinal, revision="old", **facts)


def name(ordinal: int, revision: str = "new") -> InstanceName:
    return InstanceName("fraud", "blue", revision, ordinal)


DIED = {"phase": Phase.EXITED, "restart_at": NOW - seconds(1)}
RESTS = {"phase": Phase.EXITED, "restart_at": NOW + seconds(1)}


@pytest.mark.parametrize(
    ("count", "instances", "expected"),
    [
        pytest.param(2, [], Plan(start=(name(0), name(1))), id="starts all that are missing"),
        pytest.param(2, [old(0), old(1)], Plan(start=(name(0),)), id="an update starts one extra before draining"),
        pytest.param(
            2, [old(0), old(1), new(0, phase=Phase.STARTING)], Plan(), id="an update waits until the new one is ready"
        ),
        pytest.param(
            2,
            [old(0), old(1), new(0)],
            Plan(drain=(name(1, "old"),)),
            id="an update drains one old instance for each ready new one",
        ),
        pytest.param(
            2,
            [old(0), old(1, draining_since=NOW, active=3), new(0)],
            Plan(start=(name(1),)),
            id="a draining instance does not count, so that the next new one starts",
        ),
        pytest.param(3, [new(0)], Plan(start=(name(1), name(2))), id="scaling out starts all at once"),
        pytest.param(1, [new(0), new(1), new(2)], Plan(drain=(name(2), name(1))), id="scaling in drains the highest"),
        pytest.param(
            1,
            [new(0, draining_since=NOW - seconds(1), active=0), new(1)],
            Plan(stop=(name(0),)),
            id="a drained instance stops",
        ),
        pytest.param(
            1, [new(0, draining_since=NOW - seconds(1), active=1), new(1)], Plan(), id="a busy one is waited for"
        ),
        pytest.param(
            1,
            [new(0, draining_since=NOW - seconds(11), active=1), new(1)],
            Plan(stop=(name(0),)),
            id="a busy one is waited for only so long",
        ),
        pytest.param(2, [new(0), new(1, **DIED)], Plan(start=(name(1),)), id="a dead instance starts again"),
        pytest.param(2, [new(0), new(1, **RESTS)], Plan(), id="one that dies again and again has to wait"),
        pytest.param(
            1,
            [old(0, phase=Phase.UNREADY), new(0, phase=Phase.STARTING)],
            Plan(drain=(name(0, "old"),)),
            id="an old instance that serves nobody need not be waited for",
        ),
    ],
)
def test_plan(count: int, instances: Sequence[Instance], expected: Plan) -> None:
    assert plan(wants(count), instances, NOW) == expected


def test_pauses_after_crashes_grow_to_half_a_minute() -> None:
    assert [restart_pause(n).total_seconds() for n in range(9)] == [0, 0, 1, 2, 4, 8, 16, 30, 30]


@settings(max_examples=40)
@given(
    before=st.integers(1, 5),
    wanted=st.integers(1, 5),
    steps=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=60, max_size=60),
)
def test_an_update_reaches_the_new_revision_without_ever_serving_less(
    before: int, wanted: int, steps: list[tuple[bool, bool]]
) -> None:
    """Whatever the order in which instances become ready and idle, the ready ones never get fewer than needed."""
    instances = [old(n, active=1) for n in range(before)]
    least = min(before, wanted)
    for loads, finishes in [*steps, *[(True, True)] * 60]:
        instances = _carried_out(plan(wants(wanted), instances, NOW), instances)
        instances = _advanced(instances, loads=loads, finishes=finishes)
        serving = [i for i in instances if i.phase is Phase.READY and i.draining_since is None]
        assert len(serving) >= least
        assert len([i for i in instances if i.draining_since is None]) <= max(before, wanted) + 1
    assert sorted(i.name for i in instances) == [name(n) for n in range(wanted)] or (
        len(instances) == wanted and {i.name.revision for i in instances} == {"new"}
    )


def _carried_out(todo: Plan, instances: Sequence[Instance]) -> list[Instance]:
    assert not {i.name for i in instances} & set(todo.start)
    kept = [i for i in instances if i.name not in todo.stop]
    drained = [replace(i, draining_since=NOW) if i.name in todo.drain else i for i in kept]
    return drained + [an_instance(n.ordinal, revision=n.revision, phase=Phase.STARTING) for n in todo.start]


def _advanced(instances: Sequence[Instance], *, loads: bool, finishes: bool) -> list[Instance]:
    """The world goes on by a step: one that loads becomes ready, one that drains gets idle."""
    found = list(instances)
    for index, instance in enumerate(found):
        if loads and instance.phase is Phase.STARTING:
            found[index] = replace(instance, phase=Phase.READY)
            break
    for index, instance in enumerate(found):
        if finishes and instance.draining_since is not None and instance.active:
            found[index] = replace(instance, active=0)
            break
    return found
