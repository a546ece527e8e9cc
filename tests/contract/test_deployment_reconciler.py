"""A deployment from apply to deletion, with every process, build and probe in the test's hand."""

import os
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path

import pytest
from support.deploying import NAME, Bench

from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.environment import USUAL_ROUTES
from penstock.domain.errors import PenstockError, failed, unavailable
from penstock.domain.instance import parse_instance_name
from penstock.online.containers import whereabouts_of
from penstock.online.whereabouts import note
from penstock_worker import contract


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def step_until_started(bench: Bench, count: int = 1) -> list[str]:
    for _ in range(100):
        bench.step()
        if len(bench.running()) >= count:
            return bench.running()
    raise AssertionError(f"{bench.running()}, {bench.conditions()}")


def test_one_instance_proves_a_new_revision_before_the_others_start(bench: Bench) -> None:
    bench.apply(instance_count=3)
    step_until_started(bench)
    bench.step(5)
    assert len(bench.running()) == 1
    assert bench.conditions()["Preflight"] == ("unknown", "Loading")
    assert bench.routed() == []
    bench.settle()
    assert len(bench.running()) == 3
    assert sorted(bench.routed()) == bench.running()
    assert bench.conditions()["Ready"] == ("true", "Serving")


def test_a_revision_that_cannot_load_fails_in_the_users_words_and_the_old_one_serves_on(bench: Bench) -> None:
    bench.apply("good", instance_count=2)
    bench.settle()
    serving = bench.running()
    bench.apply("bad", instance_count=2)
    new = next(n for n in step_until_started(bench, 3) if n not in serving)
    bench.report(new, phase=contract.FAILED, reason="UserScriptInitFailed", message="init() failed", traceback="T")
    bench.engine.die(new, contract.EXIT_CANNOT_LOAD)
    bench.settle()
    assert bench.running() == serving
    assert sorted(bench.routed()) == serving
    assert bench.conditions()["Ready"] == ("false", "UserScriptInitFailed")
    assert "goes on serving" in bench.shown().status.condition("Ready").message
    assert bench.shown().status.failure == "T"
    started = len(bench.engine.started)
    bench.clock.advance(timedelta(minutes=10))
    bench.settle()
    assert len(bench.engine.started) == started  # it is not tried again and again


def test_what_serves_is_kept_whole_while_a_change_has_failed(bench: Bench) -> None:
    bench.apply("good", instance_count=2)
    bench.settle()
    serving = bench.running()
    bench.apply("bad", instance_count=2)
    new = next(n for n in step_until_started(bench, 3) if n not in serving)
    bench.engine.die(new, -9)
    bench.settle()
    bench.restart()
    bench.engine.die(serving[0], -11)
    bench.settle()
    assert bench.running() == serving
    assert bench.conditions()["Ready"][0] == "false"


@pytest.mark.parametrize(
    "error", [failed("no such package"), unavailable("the index is away")], ids=["for good", "now"]
)
def test_what_serves_goes_on_while_its_environment_cannot_be_built_again(bench: Bench, error: PenstockError) -> None:
    spec = {"environment": {"conda_file": {"dependencies": [{"pip": ["pack==1"]}]}}, "instance_count": 2}
    bench.apply(**spec)
    bench.settle()
    serving = bench.running()
    bench.environments.lose()
    bench.environments.failures["pack==1"] = error
    bench.restart()
    bench.step(100)
    assert (bench.running(), sorted(bench.routed())) == (serving, serving)
    bench.environments.failures.clear()
    bench.apply(**spec)
    bench.settle()
    assert (bench.running(), bench.conditions()["Ready"]) == (serving, ("true", "Serving"))


def test_what_serves_goes_on_while_its_models_registry_is_down(bench: Bench) -> None:
    bench.registry.down = True
    reference = {"model": "azureml:fraud:1"}
    bench.apply()
    bench.settle()
    serving = bench.running()
    bench.apply(**reference)
    bench.step(50)
    assert (bench.running(), bench.routed()) == (serving, serving)
    assert bench.conditions()["Model"] == ("unknown", "Waiting")


def test_applying_a_failed_deployment_again_tries_it_again(bench: Bench) -> None:
    bench.environments.failures["nope==1"] = failed("no package 'nope'", {"log": "the end of the log"})
    spec = {"environment": {"conda_file": {"dependencies": [{"pip": ["nope==1"]}]}}}
    bench.apply(**spec)
    bench.settle()
    assert bench.conditions()["Environment"] == ("false", "BuildFailed")
    assert bench.shown().status.failure == "the end of the log"
    bench.environments.failures.clear()
    bench.settle()
    assert bench.conditions()["Environment"][0] == "false"
    bench.apply(**spec)
    bench.settle()
    assert bench.conditions()["Ready"] == ("true", "Serving")


def test_an_init_that_never_returns_fails_when_the_liveness_probe_gives_up(bench: Bench) -> None:
    bench.apply(liveness_probe={"initial_delay": 1, "period": 1, "failure_threshold": 2})
    name = step_until_started(bench)[0]
    bench.report(name, phase=contract.LOADING)
    bench.step(25)
    assert bench.running() == [name]
    bench.step(20)
    assert bench.running() == []
    assert bench.conditions()["Ready"] == ("false", "StartTimeout")


def test_a_dead_instance_is_replaced_at_once_and_then_with_growing_pauses(bench: Bench) -> None:
    bench.apply()
    bench.settle()
    name = bench.running()[0]
    bench.engine.die(name, -9)
    bench.step(3)
    assert bench.running() == [name]
    bench.engine.die(name, -9)
    bench.step(3)
    assert bench.running() == []
    assert bench.conditions()["Ready"] == ("false", "NoInstances")
    bench.clock.advance(timedelta(seconds=1))
    bench.settle()
    assert bench.running() == [name]
    assert sum(e.reason == "InstanceDied" for e in bench.resources.last_events()) == 2


def test_a_change_of_count_restarts_nothing(bench: Bench) -> None:
    bench.apply()
    bench.settle()
    (first,) = bench.running()
    bench.apply(instance_count=3)
    bench.settle()
    assert first in bench.running()
    bench.apply(instance_count=1)
    bench.settle()
    assert bench.running() == [first]
    assert len(bench.engine.started) == 3


def test_an_instance_with_requests_is_not_ended_before_they_are_answered(bench: Bench) -> None:
    bench.apply("one")
    bench.settle()
    (old,) = bench.running()
    bench.gateway.active[old] = 1
    bench.apply("two")
    for _ in range(20):
        bench.load_all()
        bench.step()
    assert old in bench.running()
    assert bench.routed() == [n for n in bench.running() if n != old]
    bench.gateway.active[old] = 0
    bench.settle()
    assert old not in bench.running()


def test_the_next_control_plane_changes_nothing_that_is_right(bench: Bench) -> None:
    bench.apply(instance_count=2)
    bench.settle()
    running, status = bench.running(), bench.shown().status
    bench.restart()
    bench.settle()
    assert bench.engine.started == []
    assert bench.running() == running
    assert bench.shown().status == status


def test_a_deleted_deployment_leaves_no_process_no_route_and_no_file(bench: Bench) -> None:
    bench.apply(instance_count=2)
    bench.settle()
    bench.deployments.delete("fraud", "blue", actor="test")
    bench.settle()
    assert bench.running() == []
    assert bench.gateway.table.backends == ()
    assert bench.resources.find(ONLINE_DEPLOYMENT, NAME) is None
    assert not (bench.folder / "apps" / "fraud" / "blue").exists()


def test_the_first_instance_must_answer_the_sample_and_the_others_try(bench: Bench) -> None:
    bench.apply(instance_count=2)
    bench.settle()
    assert [s.environment[contract.SAMPLE] for s in bench.engine.started] == [contract.REQUIRED, contract.TRIED]


def test_what_the_preflight_has_measured_is_told_and_stays(bench: Bench) -> None:
    bench.apply()
    name = step_until_started(bench)[0]
    bench.report(name, phase=contract.LOADING, load_seconds=1.5, sample="input example")
    bench.step()
    assert bench.conditions()["Preflight"] == ("unknown", "Trying")
    bench.report(name, phase=contract.READY, load_seconds=1.5, sample="input example", sample_seconds=0.0041)
    bench.settle()
    told = bench.shown().status.condition("Preflight")
    assert (told.reason, told.message) == ("Scored", "loaded in 1.50 s; input example scored in 4.1 ms")
    bench.engine.die(name, -9)
    bench.settle()
    assert bench.shown().status.condition("Preflight") == told


def test_skipping_the_prediction_restarts_nothing_that_runs(bench: Bench) -> None:
    bench.apply()
    bench.settle()
    running = bench.running()
    bench.apply(properties={"penstock.skip_script_validation": "true"}, instance_count=2)
    bench.settle()
    assert bench.running()[:1] == running
    assert len(bench.engine.started) == 2
    assert bench.engine.started[1].environment[contract.SAMPLE] == contract.SKIPPED


def test_an_image_is_refused_where_no_container_can_run(bench: Bench) -> None:
    with pytest.raises(PenstockError, match="containers cannot run on this machine"):
        bench.apply(environment={"image": "registry/fraud:1"})
    assert bench.resources.find(ONLINE_DEPLOYMENT, NAME) is None


def test_an_instance_in_a_container_is_ready_by_its_own_report_at_the_port_that_it_was_given(bench: Bench) -> None:
    bench.apply()
    (name,) = step_until_started(bench)
    instance = parse_instance_name(name)
    assert instance is not None
    places = bench.fleet.places
    note(places.whereabouts(instance), whereabouts_of(USUAL_ROUTES, {5001: 40001}))
    bench.step(5)
    assert bench.conditions()["Preflight"] == ("unknown", "Loading")
    places.shared(instance).mkdir()
    contract.write_report(places.shared_report(instance), contract.Report(contract.READY, pid=2))
    bench.step(5)
    assert bench.conditions()["Ready"] == ("true", "Serving")
    assert [s.address for b in bench.gateway.table.backends for s in b.servers] == ["127.0.0.1:40001"]


def test_a_report_from_a_container_is_not_trusted(bench: Bench) -> None:
    bench.apply()
    (name,) = step_until_started(bench)
    instance = parse_instance_name(name)
    assert instance is not None
    shared, report = bench.fleet.places.shared(instance), bench.fleet.places.shared_report(instance)
    shared.mkdir()
    contract.write_report(bench.folder / "secret.json", contract.Report(contract.READY, pid=2))
    report.symlink_to(bench.folder / "secret.json")
    bench.step(3)
    report.unlink()
    os.mkfifo(report)
    bench.step(3)
    assert bench.conditions()["Preflight"] == ("unknown", "Loading")
    bench.deployments.delete("fraud", "blue", actor="test")
    bench.settle()
    assert not shared.exists()
