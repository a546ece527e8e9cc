"""A new deployment gets the traffic by itself where it is good, and loses it by itself where it is not."""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from support.callers import write_yaml
from support.load import Load
from support.running import Platform, a_platform, wait_until, write_deployment

SCRIPT = """
import itertools, os, statistics
def init():
    pass
# Spread as by chance, but evenly: who is not to differ does not.
numbers = itertools.count(1)

def run(raw_data):
    number = next(numbers)
    if number * 0.7548776662466927 % 1 < float(os.environ.get("FAILING", "0")):
        raise ValueError("the new version is bad")
    return [statistics.NormalDist(float(os.environ.get("MEAN", "0"))).inv_cdf(number * 0.6180339887498949 % 1)]
"""
FAST = {
    "steps": [20, 100],
    "bake_time": "1s",
    "minimum_requests": 60,
    "guards": {"latency": None},
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("rollouts")
    with a_platform(folder / "home") as made:
        write_yaml(folder / "files" / "endpoint.yml", {"name": "fraud", "auth_mode": "key", "traffic": {"blue": 100}})
        write_deployment(folder / "files", "fraud", "blue", script=SCRIPT)
        write_deployment(folder / "files", "fraud", "green", script=SCRIPT)
        write_deployment(folder / "files", "fraud", "failing", script=SCRIPT, variables={"FAILING": "0.3"})
        write_deployment(folder / "files", "fraud", "shifted", script=SCRIPT, variables={"MEAN": "2"})
        made.run("apply", "-f", folder / "files")
        yield made


@pytest.fixture
def load(platform: Platform) -> Generator[Load]:
    headers = {"Authorization": f"Bearer {platform.key('fraud')}"}
    with Load(platform.gateway_port, "/endpoints/fraud/score", headers, connections=4, pause=0.005) as made:
        yield made


def begin(platform: Platform, folder: Path, to: str, **fields: Any) -> dict[str, Any]:
    path = folder / f"{to}.yml"
    path.write_text(json.dumps({"type": "rollout", "endpoint_name": "fraud", "to": to, **FAST, **fields}))
    return platform.json("rollout", "start", "-f", path)


def show(platform: Platform) -> dict[str, Any]:
    return platform.json("rollout", "show", "-e", "fraud")


def traffic(platform: Platform) -> dict[str, int]:
    return platform.json("online-endpoint", "show", "-n", "fraud")["traffic"]


def test_a_bad_version_is_taken_back_and_callers_of_the_old_one_lose_nothing(
    platform: Platform, load: Load, tmp_path: Path
) -> None:
    begin(platform, tmp_path, "failing")
    watched = platform.run("rollout", "watch", "-e", "fraud", check=False)
    assert watched.returncode == 1, watched.stderr + watched.stdout + load.summary()
    told = json.loads(watched.stdout)
    assert told["phase"] == "rolled_back"
    assert "errors" in told["message"], told
    assert "%" in told["message"], "with its numbers"
    assert traffic(platform) == {"blue": 100}
    assert {answer.deployment for answer in load.failures()} <= {"failing"}, load.summary()
    begun = platform.json("events", "--name", "fraud")
    assert "RolloutRolledBack" in [event["reason"] for event in begun]


def test_shifted_predictions_are_taken_back(platform: Platform, load: Load, tmp_path: Path) -> None:
    begin(platform, tmp_path, "shifted", steps=[50, 100], bake_time="3s", minimum_requests=300)
    watched = platform.run("rollout", "watch", "-e", "fraud", check=False)
    assert watched.returncode == 1, watched.stdout + watched.stderr
    assert "predictions" in json.loads(watched.stdout)["message"]
    assert traffic(platform) == {"blue": 100}
    assert not load.failures(), load.summary()


def test_a_good_version_is_promoted_over_the_death_of_the_control_plane(
    platform: Platform, load: Load, tmp_path: Path
) -> None:
    begin(platform, tmp_path, "green", bake_time="3s")
    wait_until(lambda: show(platform)["percent"] == 20)
    refused = platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=100", check=False)
    assert refused.returncode == 4
    assert "rollout 'green'" in refused.stderr
    assert "--force" in refused.stderr
    platform.kill_control_plane()
    platform.up()
    assert show(platform)["percent"] in (20, 100), "the same step, or the next one"
    watched = platform.run("rollout", "watch", "-e", "fraud", check=False)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    told = json.loads(watched.stdout)
    assert [step["percent"] for step in told["passed"]] == [20, 100]
    assert all(step["requests"] >= 60 for step in told["passed"])
    assert told["warm_until"]
    assert traffic(platform) == {"green": 100}
    assert not load.failures(), load.summary()
    begin(platform, tmp_path, "blue", bake_time="10m")
    wait_until(lambda: traffic(platform) == {"blue": 20, "green": 80})
    paused = platform.json("rollout", "pause", "-e", "fraud")
    assert paused["paused"]
    assert platform.run("rollout", "watch", "-e", "fraud", check=False).returncode == 4
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=100", "--force")
    wait_until(lambda: show(platform)["phase"] == "overridden")
    assert traffic(platform) == {"blue": 100}
