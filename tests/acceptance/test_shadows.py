"""Shadows get copies, slow nobody, and a report says how their answers compare; callers stay with their deployment."""

import json
import re
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.callers import Caller, a_caller, write_yaml
from support.running import Platform, a_platform, wait_until, write_deployment

SCRIPT = """
import json, os
def init():
    pass
def run(raw_data):
    row = json.loads(raw_data)["row"]
    off = float(os.environ.get("OFF", "0")) if row % 4 == 0 else 0
    return {"predictions": [{"score": row + off, "label": "even" if row % 2 == 0 else "odd"}]}
"""
ROWS = 80


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("shadows")
    with a_platform(folder / "home", environments=environments) as made:
        endpoint = {
            "name": "wine",
            "auth_mode": "key",
            "traffic": {"blue": 100},
            "mirror_traffic": {"same": 100, "other": 100},
            "properties": {"penstock.shadow_tolerance": "0.01"},
        }
        write_yaml(folder / "files" / "endpoint.yml", endpoint)
        write_deployment(folder / "files", "wine", "blue", script=SCRIPT)
        write_deployment(folder / "files", "wine", "same", script=SCRIPT, variables={"OFF": "0.001"})
        write_deployment(folder / "files", "wine", "other", script=SCRIPT, variables={"OFF": "3"})
        made.run("apply", "-f", folder / "files")
        yield made


@pytest.fixture(scope="module")
def caller(platform: Platform) -> Generator[Caller]:
    with a_caller(platform, "wine") as made:
        yield made


def report(platform: Platform, shadow: str) -> dict[str, Any]:
    return platform.json("shadow", "show", "-e", "wine", "-d", shadow)


def ask(caller: Caller, **headers: str) -> list[str]:
    answers = [caller.score(json.dumps({"row": n}), x_request_id=f"row-{n}", **headers) for n in range(ROWS)]
    assert [answer.status_code for answer in answers] == [200] * ROWS
    return [answer.headers["azureml-model-deployment"] for answer in answers]


def test_the_report_says_how_often_each_shadow_agrees_and_shows_the_worst(platform: Platform, caller: Caller) -> None:
    # The platform begins to look for mirrors every two seconds, and instances to tape when they are asked.
    wait_until(lambda: set(ask(caller)) == {"blue"} and report(platform, "other")["pairs"] >= ROWS)
    wait_until(lambda: report(platform, "same")["pairs"] >= ROWS)
    same, other = report(platform, "same"), report(platform, "other")
    assert same["agreement"] == 1.0
    assert same["absolute"]["max"] == pytest.approx(0.001)
    assert other["agreement"] == pytest.approx(0.75, abs=0.02)
    worst = other["examples"][0]
    assert (worst["kind"], worst["path"], worst["delta"]) == ("number", "score", pytest.approx(1.0))
    assert json.loads(worst["request"])["row"] == 0
    assert (worst["live_status"], worst["shadow_status"]) == (200, 200)
    assert other["live"]["errors"] == other["shadow"]["errors"] == other["dropped"] == 0
    table = platform.run("shadow", "show", "-e", "wine", "-d", "other", "-o", "table").stdout
    assert re.search(r"\b7[3-7](\.\d+)?% of \d+ rows agree", table), table  # the tape begins at any row


def test_a_shadow_that_hangs_slows_nobody(platform: Platform, caller: Caller) -> None:
    (pid,) = platform.instance_pids("wine.other")
    shadow = psutil.Process(pid)
    shadow.send_signal(signal.SIGSTOP)
    try:
        times = [caller.score('{"row": 1}').elapsed.total_seconds() for _ in range(150)]
    finally:
        shadow.send_signal(signal.SIGCONT)
    assert sorted(times)[len(times) // 2] < 1  # who waited for it would have to wait until it goes on
    wait_until(lambda: report(platform, "other")["dropped"] > 0)


def test_callers_stay_with_their_deployment_also_when_its_share_grows(platform: Platform, caller: Caller) -> None:
    def served(**shares: int) -> dict[str, str]:
        given = " ".join(f"{name}={share}" for name, share in shares.items())
        platform.run("online-endpoint", "update", "-n", "wine", "--traffic", given, "--mirror-traffic", "other=0")
        answers = {
            user: {caller.score('{"row": 1}', x_user_id=user).headers["azureml-model-deployment"] for _ in range(3)}
            for user in map(str, range(60))
        }
        assert all(len(names) == 1 for names in answers.values()), "the same one every time"
        return {user: names.pop() for user, names in answers.items()}

    path = platform.home.parent / "sticky.yml"
    path.write_text(json.dumps({"name": "wine", "properties": {"penstock.sticky": "header:x-user-id"}}))
    platform.run("online-endpoint", "update", "-f", path)
    before, after = served(blue=80, same=20), served(blue=50, same=50)
    moved = {user for user in before if before[user] != after[user]}
    assert 0 < len(moved) < 40
    assert all(after[user] == "same" for user in moved)
