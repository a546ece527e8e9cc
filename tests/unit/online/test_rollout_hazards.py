"""What goes wrong around a rollout: names that come again, traffic of others, commands at awkward moments."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.rollout_world import Killed, World, a_world

from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.domain.rollout import ROLLOUT, Choice, Finding, Phase, Rollout, RolloutStatus, Verdict
from penstock.online.endpoint_reconciler import EndpointReconciler
from penstock.online.endpoints import Endpoints
from penstock.online.exposition import Exposition, Sample
from penstock.online.rollout_progress import recorded, stepped


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def replace_blue(world: World) -> None:
    """Blue is gone, as its controller would do it, and comes again under the old name."""
    old = world.resources.get(ONLINE_DEPLOYMENT, "fraud/blue")
    world.resources.remove(ONLINE_DEPLOYMENT, old)
    world.deploy("blue")


def blue_is_going(world: World) -> bool:
    return world.resources.get(ONLINE_DEPLOYMENT, "fraud/blue").deleting_since is not None


def give(world: World, **fields: object) -> None:
    world.resources.apply(ONLINE_ENDPOINT, "fraud", OnlineEndpoint(name="fraud", **fields), actor="ann")  # type: ignore[arg-type]


def test_only_the_deployment_that_was_rolled_out_of_is_deleted_not_one_of_its_name(world: World) -> None:
    world.start(after_warm="delete", keep_warm="1m")
    world.run(world.over)
    world.clock.advance(timedelta(minutes=2))
    world.reconcile()
    assert blue_is_going(world)
    replace_blue(world)
    world.restart()
    world.reconcile()
    assert not blue_is_going(world)


def test_no_deployment_is_deleted_after_its_warm_time_while_another_rollout_needs_it(world: World) -> None:
    world.start(after_warm="delete", keep_warm="1m")
    world.run(world.over)
    world.rollouts.start("fraud", "back", parse(Rollout, {"to": "blue", "bake_time": "1h"}, "r"), actor="ann")
    world.clock.advance(timedelta(minutes=2))
    world.reconcile()
    assert not blue_is_going(world)


def test_who_has_all_the_traffic_already_is_not_mirrored_to(world: World) -> None:
    give(world, traffic={"green": 100})
    world.start(shadow={"percent": 40, "duration": "10s"})
    world.run(world.over)
    assert (world.status.phase, world.traffic) == (Phase.PROMOTED, {"green": 100})


def test_a_shadow_stage_that_azures_limits_forbid_is_refused_at_the_start(world: World) -> None:
    give(world, traffic={"blue": 100}, properties={"penstock.compat": "strict"})
    with pytest.raises(PenstockError, match="at most 50"):
        world.start(shadow={"percent": 80, "duration": "10s"})


def test_a_pause_before_the_first_step_keeps_it_from_being_taken(world: World) -> None:
    world.start()
    world.rollouts.pause("fraud", "green", actor="ann")
    for _ in range(5):
        world.second()
    assert world.traffic == {"blue": 100}
    world.rollouts.resume("fraud", "green", actor="ann")
    world.second()
    assert world.traffic == {"blue": 90, "green": 10}


def test_the_mirror_of_the_shadow_stage_ends_with_a_rollout_that_is_taken_over(world: World) -> None:
    world.start(shadow={"percent": 40, "duration": "10m"})
    world.run(lambda: world.mirror == {"green": 40})
    taken = OnlineEndpoint(name="fraud", traffic={"blue": 30, "green": 70}, mirror_traffic={"green": 40})
    Endpoints(world.resources, None, None).apply("fraud", taken, actor="bob", force=True)  # type: ignore[arg-type]
    world.run(world.over)
    assert (world.status.phase, world.traffic, world.mirror) == (Phase.OVERRIDDEN, {"blue": 30, "green": 70}, {})


def test_from_one_of_several_deployments_is_refused_as_all_would_lose_their_traffic(world: World) -> None:
    world.deploy("red")
    give(world, traffic={"blue": 50, "red": 50})
    with pytest.raises(PenstockError, match="'red'"):
        world.start(**{"from": "blue"})


def test_what_never_served_is_not_promoted_by_hand(world: World) -> None:
    spec = parse(OnlineDeployment, {"model": "azureml:m:1"}, "new")
    world.resources.apply(ONLINE_DEPLOYMENT, "fraud/new", spec, actor="ann")
    world.rollouts.start("fraud", "new", parse(Rollout, {"to": "new"}, "r"), actor="ann")
    with pytest.raises(PenstockError, match="has not served"):
        world.rollouts.end("fraud", "new", "promote", actor="ann")


def test_a_step_bakes_from_when_it_has_its_traffic_however_long_the_control_plane_was_away(world: World) -> None:
    world.start(bake_time="60s")
    write = world.store.update_status

    def written(*args: object) -> object:
        result = write(*args)
        if args[2].phase is Phase.STEP:  # type: ignore[attr-defined]
            world.store.update_status = write
            raise Killed
        return result

    world.store.update_status = written
    with pytest.raises(Killed):
        world.second()
    assert (world.status.phase, world.traffic) == (Phase.STEP, {"blue": 100})
    world.clock.advance(timedelta(minutes=10))
    world.restart()
    world.reconcile()
    placed = world.clock.now()
    assert world.traffic == {"blue": 90, "green": 10}
    world.run(lambda: world.status.step == 1)
    assert world.clock.now() - placed >= timedelta(seconds=60)


class Keys:
    def forget(self, endpoint: str) -> None:
        """There are none."""


def test_rollouts_end_with_their_endpoint_and_are_no_part_of_the_next_one_of_its_name(world: World) -> None:
    world.start()
    world.run(world.over)
    rollout = world.resources.get(ROLLOUT, "fraud/green").key
    world.resources.delete(ONLINE_ENDPOINT, "fraud", actor="ann")
    for name in ("blue", "green"):
        world.resources.remove(ONLINE_DEPLOYMENT, world.resources.get(ONLINE_DEPLOYMENT, f"fraud/{name}"))
    endpoints = EndpointReconciler(world.resources, Keys(), world.routing, world.clock)  # type: ignore[arg-type]
    key = world.resources.get(ONLINE_ENDPOINT, "fraud").key
    assert endpoints.reconcile(key) is not None, "it waits for its rollouts"
    world.reconciler.reconcile(rollout)
    assert endpoints.reconcile(key) is None
    assert not world.resources.list(ROLLOUT)
    assert world.resources.find(ONLINE_ENDPOINT, "fraud") is None


def test_a_metric_that_is_bad_in_steps_shorter_than_three_looks_at_it_still_ends_the_rollout(world: World) -> None:
    world.page = Exposition(samples=(Sample("m", {"endpoint": "fraud", "deployment": "green"}, 9.0),))
    world.start(steps=[10, 20, 30, 40, 50, 100], bake_time="6s", guards={"metrics": [{"name": "m", "maximum": 1}]})
    world.run(world.over)
    assert (world.status.phase, world.traffic) == (Phase.ROLLED_BACK, {"blue": 100})


def test_a_status_stays_small_after_a_hundred_steps() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    spec = parse(Rollout, {"to": "green", "steps": {"type": "linear", "percent": 1}}, "r")
    findings = tuple(Finding(guard=f"check http://{'x' * 1900}{n}", state="ok", message="m" * 300) for n in range(20))
    verdict = Verdict(choice=Choice.ADVANCE, reason="GuardsPassed", message="m" * 2000, findings=findings)
    status = RolloutStatus(before={"blue": 100}, traffic={"blue": 100})
    for step in range(100):
        status = recorded(spec, stepped(spec, status, step, now), verdict, now)
    assert [record.percent for record in status.steps] == list(range(1, 101))
    assert status.steps[-1].verdict == verdict, "the last one in full"
    assert len(status.model_dump_json()) < 120_000
