"""What brings everything back to an event, and that doing so twice changes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.online import NOW

from penstock.control.resources import Edit
from penstock.domain.contract import CONTRACT, Contract
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import PenstockError
from penstock.domain.resource import AnyKind, AnyResource, Frozen, Resource, Revision
from penstock.online.restoration import edits, held_back, previous_spec

KINDS: tuple[AnyKind, ...] = (ONLINE_ENDPOINT, ONLINE_DEPLOYMENT, CONTRACT)
NAMES = ("one", "two")

endpoints = st.builds(
    lambda traffic, tag: OnlineEndpoint(traffic=traffic, tags={"t": tag}),
    st.sampled_from([{}, {"blue": 100}, {"blue": 40, "green": 60}]),
    st.sampled_from("ab"),
)
deployments = st.builds(lambda count: OnlineDeployment(model="azureml:m:1", instance_count=count), st.integers(1, 3))
contracts = st.builds(lambda mode: Contract(mode=mode), st.sampled_from(["enforce", "warn"]))
World = dict[str, dict[str, Frozen]]
worlds = st.fixed_dictionaries(
    {
        ONLINE_ENDPOINT.name: st.dictionaries(st.sampled_from(NAMES), endpoints),
        ONLINE_DEPLOYMENT.name: st.dictionaries(
            st.sampled_from([f"{n}/{d}" for n in NAMES for d in ("blue", "green", "teal")]), deployments
        ),
        CONTRACT.name: st.dictionaries(st.sampled_from(NAMES), contracts),
    }
)


def a_resource(kind: AnyKind, name: str, spec: Frozen, deleting: bool = False) -> AnyResource:
    return Resource(
        kind=kind.name,
        name=name,
        uid=name,
        generation=1,
        version=1,
        spec=spec,
        status=kind.status(),
        created_at=NOW,
        updated_at=NOW,
        deleting_since=NOW if deleting else None,
    )


def a_revision(spec: Any, generation: int = 1) -> Revision[Any]:
    return Revision(uid="u", generation=generation, spec=spec, action="update", actor="a", at=NOW)


def planned(now: World, past: World, *, prune: bool) -> list[Edit]:
    found: list[Edit] = []
    for kind in KINDS:
        present = [a_resource(kind, name, spec) for name, spec in now[kind.name].items()]
        then = {name: a_revision(spec) for name, spec in past[kind.name].items()}
        found += edits(kind, present, then, 7, prune=prune)
    return found


def carried_out(now: World, found: Any) -> World:
    after = {kind: dict(specs) for kind, specs in now.items()}
    for edit in found:
        if edit.spec is None:
            del after[edit.kind.name][edit.name]
        else:
            after[edit.kind.name][edit.name] = edit.spec
    return after


@given(worlds, worlds, st.booleans())
def test_everything_is_as_it_was_and_going_back_again_changes_nothing(now: World, past: World, prune: bool) -> None:
    after = carried_out(now, planned(now, past, prune=prune))
    assert planned(after, past, prune=prune) == []
    for kind in KINDS:
        assert past[kind.name].items() <= after[kind.name].items()
    assert after[CONTRACT.name] == past[CONTRACT.name]
    if prune:
        assert after == past


@given(worlds, worlds)
def test_no_traffic_goes_to_what_does_not_serve_and_all_is_back_once_it_does(now: World, past: World) -> None:
    serving = now[ONLINE_DEPLOYMENT.name].keys()
    first = held_back(planned(now, past, prune=True), serving)
    for edit in first.edits:
        if edit.kind is ONLINE_ENDPOINT and edit.present is not None and edit.spec is not None:
            given_to = {f"{edit.name}/{name}" for name, share in edit.spec.traffic.items() if share}  # type: ignore[attr-defined]
            before = edit.present.spec.traffic
            assert given_to <= serving or edit.spec.traffic == before or not sum(before.values())  # type: ignore[attr-defined]
    middle = carried_out(now, first.edits)
    second = held_back(planned(middle, past, prune=True), middle[ONLINE_DEPLOYMENT.name].keys())
    assert carried_out(middle, second.edits) == past or any(
        f"{name}/{deployment}" not in past[ONLINE_DEPLOYMENT.name]
        for name, spec in past[ONLINE_ENDPOINT.name].items()
        for deployment in spec.traffic  # type: ignore[attr-defined]
    )


def test_the_deployments_of_traffic_that_waits_are_not_pruned() -> None:
    now: World = {
        ONLINE_ENDPOINT.name: {"one": OnlineEndpoint(traffic={"teal": 100})},
        ONLINE_DEPLOYMENT.name: {"one/teal": OnlineDeployment(model="azureml:m:1")},
        CONTRACT.name: {},
    }
    past: World = {
        ONLINE_ENDPOINT.name: {"one": OnlineEndpoint(traffic={"blue": 100})},
        ONLINE_DEPLOYMENT.name: {"one/blue": OnlineDeployment(model="azureml:m:1")},
        CONTRACT.name: {},
    }
    found = held_back(planned(now, past, prune=True), {"one/teal"})
    assert [(edit.name, edit.present is None) for edit in found.edits] == [("one/blue", True)]
    assert found.awaited == ("one/blue",)


def test_what_is_still_being_deleted_cannot_come_back_yet() -> None:
    present = [a_resource(ONLINE_ENDPOINT, "one", OnlineEndpoint(), deleting=True)]
    with pytest.raises(PenstockError, match="is being deleted; wait"):
        edits(ONLINE_ENDPOINT, present, {"one": a_revision(OnlineEndpoint())}, 7, prune=False)
    assert edits(ONLINE_ENDPOINT, present, {}, 7, prune=True) == []


def test_a_spec_goes_back_to_the_last_that_was_ready_and_differs() -> None:
    specs = [OnlineDeployment(model="azureml:m:1", instance_count=count) for count in (1, 2, 3, 4, 4)]
    history = [a_revision(spec, number) for number, spec in reversed(list(enumerate(specs, 1)))]
    earlier = previous_spec(history, {1, 2, 4, 5})
    assert earlier is not None
    assert earlier.generation == 2
    assert previous_spec(history, {4, 5}) is None
