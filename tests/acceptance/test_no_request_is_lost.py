"""Nothing that the platform does on purpose loses a request: 32 keep-alive connections ask all the while."""

import os
import signal
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from support.load import Load
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment, write_endpoint


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("lost")
    with a_platform(folder / "home") as platform:
        platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "fraud"))
        for name in ("blue", "green"):
            path = write_deployment(folder, "fraud", name, variables={"VERSION": name})
            platform.run("online-deployment", "create", "-f", path)
        yield platform


@pytest.fixture
def load(platform: Platform) -> Generator[Load]:
    """32 connections while the test runs; blue takes all traffic at first, and every answer must be a 200."""
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=100 green=0")
    headers = {"Authorization": f"Bearer {platform.key('fraud')}"}
    load = Load(platform.gateway_port, "/endpoints/fraud/score", headers, pause=0.02)  # leaves time for what is tested
    with load:
        yield load
        load.wait_for(100)
    assert not load.failures(), load.summary()


def test_while_traffic_moves_to_another_deployment(platform: Platform, load: Load) -> None:
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=50 green=50")
    load.wait_for(1000)
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=0 green=100")
    moved_at = time.monotonic()
    load.wait_for(200)
    assert {a.deployment for a in load.answers(since=moved_at)} == {"green"}


def test_while_a_rollback_takes_a_bad_deployment_out_before_it_returns(platform: Platform, load: Load) -> None:
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=0 green=100")
    load.wait_for(200)
    platform.run("online-endpoint", "rollback", "-n", "fraud")
    returned = time.monotonic()
    load.wait_for(200)
    assert not [a for a in load.answers(since=returned) if a.deployment == "green"]


def test_while_keys_are_rotated(platform: Platform, load: Load) -> None:
    secondary = platform.key("fraud", "secondaryKey")
    load.headers["Authorization"] = f"Bearer {secondary}"
    load.wait_for(100)
    old = platform.key("fraud")
    platform.run("online-endpoint", "regenerate-keys", "-n", "fraud", "--key-type", "primary")
    load.headers["Authorization"] = f"Bearer {platform.key('fraud')}"
    load.wait_for(100)
    assert platform.key("fraud") != old
    platform.run("online-endpoint", "regenerate-keys", "-n", "fraud", "--key-type", "secondary")


def test_while_an_update_rolls_over_two_instances(platform: Platform, load: Load, tmp_path: Path) -> None:
    platform.run("online-deployment", "update", "-n", "blue", "-e", "fraud", "--set", "instance_count=2")
    path = write_deployment(tmp_path, "fraud", "blue", count=2, variables={"VERSION": "blue2"})
    before = set(platform.instance_pids("fraud.blue"))
    platform.run("online-deployment", "update", "-f", path)
    after = set(platform.instance_pids("fraud.blue"))
    assert len(after) == 2
    assert not before & after
    assert platform.score("fraud").json()["version"] == "blue2"


def test_while_instances_are_added_and_removed(platform: Platform, load: Load) -> None:
    for count in (1, 3, 1):
        platform.run("online-deployment", "update", "-n", "blue", "-e", "fraud", "--set", f"instance_count={count}")
        assert len(platform.instance_pids("fraud.blue")) == count


def test_while_the_gateway_reloads_for_another_deployment(platform: Platform, load: Load, tmp_path: Path) -> None:
    path = write_deployment(tmp_path, "fraud", "extra")
    platform.run("online-deployment", "create", "-f", path)
    platform.run("online-deployment", "delete", "-n", "extra", "-e", "fraud", "--yes")
    reloads = [e for e in platform.json("events") if e["reason"] == "GatewayReloaded"]
    assert any("extra" in e["message"] for e in reloads)


def test_while_a_change_that_cannot_start_is_refused(platform: Platform, load: Load, tmp_path: Path) -> None:
    path = write_deployment(tmp_path, "fraud", "blue", script=ECHO.replace("pass", "raise ValueError('no such file')"))
    done = platform.run("online-deployment", "update", "-f", path, check=False)
    assert done.returncode == 1
    assert "no such file" in done.stderr
    assert "score.py" in done.stderr
    shown = platform.json("online-deployment", "show", "-n", "blue", "-e", "fraud")
    assert shown["provisioning_state"] == "Failed"


def test_while_the_control_plane_is_killed_and_started_again(platform: Platform, load: Load) -> None:
    before = sorted(platform.instance_pids("fraud.blue"))
    platform.kill_control_plane()
    load.wait_for(500)
    platform.up()
    load.wait_for(500)
    assert sorted(platform.instance_pids("fraud.blue")) == before


def test_while_one_of_two_instances_is_killed(platform: Platform, load: Load) -> None:
    """Bodies up to the configured limit (PENSTOCK_RETRY_BODY_BYTES) are sent to the other instance."""
    platform.run("online-deployment", "update", "-n", "green", "-e", "fraud", "--set", "instance_count=2")
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=0 green=100")
    load.wait_for(200)
    victim = platform.instance_pids("fraud.green")[0]
    os.kill(victim, signal.SIGKILL)
    load.wait_for(500)
    wait_until(lambda: len(set(platform.instance_pids("fraud.green")) - {victim}) == 2)
    ready = lambda: platform.json("online-deployment", "show", "-n", "green", "-e", "fraud")["ready_instances"]  # noqa: E731
    wait_until(lambda: ready() == 2)


DEADLY = ECHO.replace("    return", "    if raw_data.startswith('deadly'):\n        os._exit(9)\n    return")


def test_while_a_request_that_ends_its_instance_is_given_up_after_two(
    platform: Platform, load: Load, tmp_path: Path
) -> None:
    path = write_deployment(tmp_path, "fraud", "green", count=3, script=DEADLY)
    platform.run("online-deployment", "update", "-f", path)
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=0 green=100")
    load.wait_for(200)
    before = set(platform.instance_pids("fraud.green"))
    answers = [platform.score("fraud", "deadly") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [424, 424, 424]
    assert answers[-1].headers["ms-azureml-model-error-reason"] == "model_error"
    assert "has ended two instances" in answers[-1].json()["message"]
    wait_until(lambda: len(platform.instance_pids("fraud.green")) == 3)
    assert len(before - set(platform.instance_pids("fraud.green"))) == 2
    load.wait_for(500)


def test_an_only_instance_is_not_ended_by_the_same_request_for_ever(platform: Platform, tmp_path: Path) -> None:
    platform.run("online-deployment", "update", "-f", write_deployment(tmp_path, "fraud", "green", script=DEADLY))

    def ask(body: str) -> tuple[int, str]:
        answer = platform.score("fraud", body, azureml_model_deployment="green")
        return answer.status_code, answer.text

    def serves() -> bool:
        with suppress(httpx.TransportError):  # one that is being started again may close a connection
            return ask("{}")[0] == 200
        return False

    for _ in range(2):
        wait_until(serves)
        status, body = ask("deadly alone")
        assert status == 424
        assert "InstanceDied" in body
    wait_until(serves)
    pids = platform.instance_pids("fraud.green")
    assert ask("deadly alone")[0] == 424
    assert platform.instance_pids("fraud.green") == pids
