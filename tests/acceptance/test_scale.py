"""Deployments that scale: out under load and in again, to zero and back, and no request is lost on the way."""

import json
import time
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest
from support.load import Load
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment, write_endpoint

from penstock.control.clock import SystemClock
from penstock.control.resources import Resources
from penstock.domain.autoscale import AUTOSCALE, Autoscale
from penstock.domain.fields import parse
from penstock.store.sql import open_store

BUSY = ECHO.replace("    return", "    import time\n    time.sleep(0.02)\n    return")
# The second instance cannot start: what it needs is gone by then.
FICKLE = ECHO.replace("pass", "import pathlib\n    pathlib.Path(os.environ['NEEDED']).read_text()")
EAGER = {
    "min": 1,
    "max": 3,
    "concurrency": {"stable_window": "6s", "panic_window": "2s", "scale_in_delay": "2s"},
}
SPARING = {"min": 0, "max": 3, "idle_time": "5s", "hold_time": "40s"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("scale")
    needed = folder / "needed"
    needed.write_text("here")
    with a_platform(folder / "home") as platform:
        platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "fraud"))
        for name, script in (("busy", BUSY), ("lazy", ECHO), ("fickle", FICKLE)):
            path = write_deployment(folder, "fraud", name, script=script, variables={"NEEDED": str(needed)})
            platform.run("online-deployment", "create", "-f", path)
        needed.unlink()
        for name, spec in (("busy", EAGER), ("lazy", SPARING), ("fickle", SPARING)):
            autoscale(platform, name, spec)
        yield platform


def autoscale(platform: Platform, deployment: str, spec: Mapping[str, Any]) -> None:
    """Give the deployment an autoscale, as another control plane on the same store would."""
    with closing(open_store(f"sqlite:///{platform.home / 'penstock.db'}")) as store:
        resources = Resources(store, SystemClock(), lambda _: None)
        resources.apply(AUTOSCALE, f"fraud/{deployment}", parse(Autoscale, dict(spec), "test"), actor="test")


def shown(platform: Platform, deployment: str) -> dict[str, Any]:
    return platform.json("online-deployment", "show", "-n", deployment, "-e", "fraud")


def asleep(platform: Platform, deployment: str) -> bool:
    return not platform.instance_pids(f"fraud.{deployment}") and shown(platform, deployment)["scaled_instances"] == 0


def scalings(platform: Platform, deployment: str) -> list[dict[str, Any]]:
    """What the scaler has done, from the event log."""
    return [e for e in platform.json("events") if (e["name"], e["reason"]) == (f"fraud/{deployment}", "Scaled")]


def score(platform: Platform, key: str, deployment: str, body: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": deployment}
    url = f"http://127.0.0.1:{platform.gateway_port}/endpoints/fraud/score"
    return httpx.post(url, content=body, headers=headers, timeout=60)


def test_a_step_of_load_brings_instances_and_its_end_takes_them_away_and_no_request_is_lost(
    platform: Platform,
) -> None:
    key = platform.key("fraud")
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "busy"}
    with Load(platform.gateway_port, "/endpoints/fraud/score", headers, connections=8) as load:
        wait_until(lambda: len(platform.instance_pids("fraud.busy")) == 3, timeout=30)
        wait_until(lambda: shown(platform, "busy")["ready_instances"] == 3, timeout=10)
        load.wait_for(200)
    trickle = Load(platform.gateway_port, "/endpoints/fraud/score", headers, connections=1, pause=0.02)
    with trickle:
        wait_until(lambda: len(platform.instance_pids("fraud.busy")) == 1, timeout=40)
    assert not load.failures(), load.summary()
    assert not trickle.failures(), trickle.summary()
    assert shown(platform, "busy")["provisioning_state"] == "Succeeded"
    assert len(scalings(platform, "busy")) >= 2


def test_two_hundred_callers_of_a_sleeping_deployment_are_answered_and_so_is_who_comes_as_it_falls_asleep(
    platform: Platform,
) -> None:
    key = platform.key("fraud")
    wait_until(lambda: asleep(platform, "lazy"), timeout=30)
    assert shown(platform, "lazy")["provisioning_state"] == "Succeeded"
    bodies = [b"x" * 1000] * 200 + [b"x" * 8_000_000] * 5
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: score(platform, key, "lazy", body), bodies))
    assert [a.status_code for a in answers if a.status_code != 200] == []
    assert [a.json()["length"] for a in answers] == [len(body) for body in bodies]
    assert {a.headers["azureml-model-deployment"] for a in answers} == {"lazy"}
    assert shown(platform, "lazy")["cold_start_seconds"] > 0

    # Callers who begin when it has been told to sleep, and has not ended its instance yet.
    before = {e["id"] for e in scalings(platform, "lazy")}
    wait_until(lambda: [e for e in scalings(platform, "lazy") if e["id"] not in before], timeout=30)
    with ThreadPoolExecutor(8) as pool:
        late = list(pool.map(lambda _: score(platform, key, "lazy", b"{}").status_code, range(64)))
    assert set(late) == {200}


def test_a_model_that_cannot_load_when_it_is_needed_says_so_at_once(platform: Platform) -> None:
    wait_until(lambda: asleep(platform, "fickle"), timeout=30)
    begun = time.monotonic()
    answer = score(platform, platform.key("fraud"), "fickle", b"{}")
    assert answer.status_code == 503, answer.text
    error = json.loads(answer.text)["error"]
    assert error["code"] == "InstanceCannotStart"
    assert "No such file" in error["message"]
    assert time.monotonic() - begun < 20
