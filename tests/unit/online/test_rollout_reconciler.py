"""A rollout from its start to each of its ends, whatever ends the control plane on the way."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.rollout_world import SECOND, Killed, World, a_world

from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import Code, PenstockError
from penstock.domain.fields import parse
from penstock.domain.rollout import ROLLOUT, Phase, Rollout
from penstock.online.ownership import claim, user_of
from penstock.telemetry.series import Histogram


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def test_a_good_version_is_promoted_step_by_step_and_the_old_one_kept_warm(world: World) -> None:
    world.start()
    seen: list[dict[str, int]] = []

    def over() -> bool:
        if world.traffic not in seen:
            seen.append(world.traffic)
        return world.over()

    world.run(over)
    assert seen == [{"blue": 100}, {"blue": 90, "green": 10}, {"blue": 50, "green": 50}, {"green": 100}]
    assert world.status.phase is Phase.PROMOTED
    assert [record.percent for record in world.status.steps] == [10, 50, 100]
    assert all((r.until - r.since) >= 20 * SECOND and r.requests >= 100 for r in world.status.steps)
    now = world.clock.now()
    assert user_of(world.resources, "fraud/blue", now) is not None, "warm"
    assert user_of(world.resources, "fraud/blue", now + timedelta(hours=2)) is None
    assert user_of(world.resources, "fraud/green", now) is None


def test_a_bad_version_is_taken_back_within_a_second_of_the_verdict(world: World) -> None:
    world.start()
    world.run(lambda: world.traffic.get("green") == 10)
    world.failing = 0.3
    applied = world.routing.applied
    world.run(world.over, seconds=15)
    assert world.status.phase is Phase.ROLLED_BACK
    assert world.status.verdict is not None
    assert "errors: " in world.status.verdict.message
    assert world.traffic == {"blue": 100}
    assert world.routing.applied == applied + 1, "the gateway had it at once, in the same look"
    reasons = [event.reason for event in world.resources.events()]
    assert "RolloutRolledBack" in reasons


def test_without_enough_requests_it_holds_and_says_how_many_are_missing(world: World) -> None:
    world.rate = 1
    world.start(maximum_wait="1m")
    world.run(lambda: world.status.verdict is not None and world.status.verdict.reason == "NotEnoughData")
    for _ in range(70):
        world.second()
    verdict = world.status.verdict
    assert verdict is not None
    assert (verdict.choice, verdict.reason, world.traffic) == ("hold", "DataMissing", {"blue": 90, "green": 10})
    assert verdict.missing == 100


def test_it_waits_for_the_new_deployment_and_gives_up_after_the_longest_wait(world: World) -> None:
    world.deploy("green", ready=False)
    spec = parse(OnlineDeployment, {"model": "azureml:m:2"}, "green")
    world.resources.apply(ONLINE_DEPLOYMENT, "fraud/green", spec, actor="ann")
    world.start(maximum_wait="30s")
    world.run(world.over, seconds=40)
    assert (world.status.phase, world.traffic) == (Phase.FAILED, {"blue": 100})


def test_a_shadow_stage_mirrors_first_and_disagreement_ends_it(world: World) -> None:
    world.start(shadow={"percent": 40, "duration": "10s", "minimum_agreement": 0.9})
    world.run(lambda: world.mirror == {"green": 40})
    assert world.traffic == {"blue": 100}
    world.answers.agreement = 0.5
    world.run(world.over, seconds=20)
    assert (world.status.phase, world.mirror, world.traffic) == (Phase.ROLLED_BACK, {}, {"blue": 100})


def test_pause_promote_and_abort(world: World) -> None:
    world.start()
    world.run(lambda: world.traffic.get("green") == 10)
    world.rollouts.pause("fraud", "green", actor="ann")
    for _ in range(60):
        world.second()
    assert world.traffic == {"blue": 90, "green": 10}
    world.rollouts.resume("fraud", "green", actor="ann")
    world.run(lambda: world.traffic.get("green") == 50)
    world.rollouts.end("fraud", "green", "abort", actor="ann")
    world.reconcile()
    assert (world.status.phase, world.traffic, world.over()) == (Phase.ABORTED, {"blue": 100}, True)
    world.start()
    world.run(lambda: world.traffic.get("green") == 10)
    world.rollouts.end("fraud", "green", "promote", actor="ann")
    world.reconcile()
    assert (world.status.phase, world.traffic) == (Phase.PROMOTED, {"green": 100})
    with pytest.raises(PenstockError, match="is over"):
        world.rollouts.pause("fraud", "green", actor="ann")


def test_it_owns_the_traffic_until_it_is_over_or_somebody_takes_it_by_force(world: World) -> None:
    world.start()
    world.run(lambda: world.traffic.get("green") == 10)
    with pytest.raises(PenstockError, match="decides about the traffic") as error:
        claim(world.resources, "fraud", actor="bob", force=False)
    assert error.value.code is Code.CONFLICT
    with pytest.raises(PenstockError, match="decides about the traffic"):
        world.rollouts.start("fraud", "other", parse(Rollout, {"to": "green"}, "r"), actor="bob")
    claim(world.resources, "fraud", actor="bob", force=True)
    forced = OnlineEndpoint(name="fraud", traffic={"blue": 30, "green": 70})
    world.resources.apply(ONLINE_ENDPOINT, "fraud", forced, actor="bob")
    world.run(world.over)
    assert (world.status.phase, world.traffic) == (Phase.OVERRIDDEN, {"blue": 30, "green": 70})


def test_starting_again_what_is_under_way_or_promoted_changes_nothing(world: World) -> None:
    world.start()
    world.run(lambda: world.traffic.get("green") == 10)
    generation = world.resources.get(ROLLOUT, "fraud/green").generation
    world.start()
    assert world.resources.get(ROLLOUT, "fraud/green").generation == generation
    with pytest.raises(PenstockError, match="another plan"):
        world.start(steps=[30, 100])
    world.run(world.over)
    world.start()
    assert world.over()


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(1, 12), max_size=8), failing=st.booleans())
def test_wherever_the_control_plane_is_killed_it_comes_to_the_same_end(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int], failing: bool
) -> None:
    """`kills`: after how many writes of a control plane's life it ends, between that write and the next line."""
    with a_world(tmp_path_factory.mktemp("killed")) as world:
        left = list(kills)
        writes = 0

        def counted(write: Callable[..., Any]) -> Callable[..., Any]:
            def written(*args: Any, **kwargs: Any) -> Any:
                nonlocal writes
                result = write(*args, **kwargs)
                writes += 1
                if left and writes >= left[0]:
                    left.pop(0)
                    raise Killed
                return result

            return written

        world.start(bake_time="5s")
        world.failing = 0.4 if failing else 0.0
        for name in ("update_spec", "update_status"):
            setattr(world.store, name, counted(getattr(world.store, name)))
        for _ in range(200):
            assert sum(world.traffic.values()) == 100
            if world.over():
                break
            try:
                world.second()
            except Killed:
                writes = 0
                world.restart()
        assert world.over()
        assert world.traffic == ({"blue": 100} if failing else {"green": 100})
        assert world.status.phase is (Phase.ROLLED_BACK if failing else Phase.PROMOTED)


def test_histograms_of_the_old_deployment_are_the_measure_of_the_last_step(world: World) -> None:
    world.start()
    world.run(lambda: world.traffic == {"green": 100})
    reference = world.status.reference
    assert reference is not None
    assert reference.requests > 0
    assert Histogram(reference.latency).total == 0
