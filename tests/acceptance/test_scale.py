"""Deployments that scale: out under load and in again, to zero and back, and no request is lost on the way."""

import json
import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.load import Load
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment, write_endpoint

from penstock.client.client import Client
from penstock.client.resources import Deployment
from penstock.control.clock import SystemClock
from penstock.control.resources import Resources
from penstock.domain.autoscale import AUTOSCALE, Autoscale
from penstock.domain.events import Event
from penstock.domain.fields import parse
from penstock.store.sql import open_store

BUSY = ECHO.replace("    return", "    import time\n    time.sleep(0.02)\n    return")
# The second instance cannot start: what it needs is gone by then.
FICKLE = ECHO.replace("pass", "import pathlib\n    pathlib.Path(os.environ['NEEDED']).read_text()")
EAGER = {
    "min": 1,
    "max": 3,
    "concurrency": {"stable_window": "6s", "panic_window": "1s", "scale_in_delay": "0s"},
}
SPARING = {"min": 0, "max": 1, "idle_time": "5s", "hold_time": "40s"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("scale")
    needed, files = folder / "needed", folder / "files"
    needed.write_text("here")
    files.mkdir()
    write_endpoint(files, "fraud")
    for name, script in (("busy", BUSY), ("lazy", ECHO), ("fickle", FICKLE)):
        write_deployment(files, "fraud", name, script=script, variables={"NEEDED": str(needed)})
    with a_platform(folder / "home", environments=environments) as platform:
        platform.run("apply", "-f", files)
        needed.unlink()
        for name, spec in (("busy", EAGER), ("lazy", SPARING), ("fickle", SPARING)):
            autoscale(platform, name, spec)
        yield platform


def autoscale(platform: Platform, deployment: str, spec: Mapping[str, Any]) -> None:
    """Give the deployment an autoscale, as another control plane on the same store would."""
    with closing(open_store(f"sqlite:///{platform.home / 'penstock.db'}")) as store:
        resources = Resources(store, SystemClock(), lambda _: None)
        resources.apply(AUTOSCALE, f"fraud/{deployment}", parse(Autoscale, dict(spec), "test"), actor="test")


def shown(platform: Platform, deployment: str) -> Deployment:
    with a_client(platform) as client:
        return client.online_deployments.get("fraud", deployment)


def asleep(platform: Platform, deployment: str) -> bool:
    found = shown(platform, deployment).status.scaled_instances == 0
    return found and not platform.instance_pids(f"fraud.{deployment}")


def scalings(platform: Platform, deployment: str) -> Sequence[Event]:
    """What the scaler has done, from the event log."""
    with a_client(platform) as client:
        return [e for e in client.events.list(kind="scale", name=f"fraud/{deployment}") if e.reason == "Scaled"]


def a_client(platform: Platform) -> Client:
    return Client(platform.server["url"], (platform.home / "token").read_text().strip())


@pytest.fixture(scope="module")
def caller(platform: Platform) -> Generator[httpx.Client]:
    """Of as many connections as are asked for at once."""
    headers = {"Authorization": f"Bearer {platform.key('fraud')}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    url = f"http://127.0.0.1:{platform.gateway_port}/endpoints/fraud"
    with httpx.Client(base_url=url, headers=headers, limits=limits, timeout=100) as client:
        yield client


def score(caller: httpx.Client, deployment: str, body: bytes) -> httpx.Response:
    return caller.post("/score", content=body, headers={"azureml-model-deployment": deployment})


def test_a_step_of_load_brings_instances_and_its_end_takes_them_away_and_no_request_is_lost(
    platform: Platform, caller: httpx.Client
) -> None:
    headers = {"Authorization": caller.headers["Authorization"], "azureml-model-deployment": "busy"}
    with Load(platform.gateway_port, "/endpoints/fraud/score", headers, connections=8) as load:
        wait_until(lambda: len(platform.instance_pids("fraud.busy")) == 3)
        wait_until(lambda: shown(platform, "busy").status.ready_instances == 3)
        load.wait_for(200)
    trickle = Load(platform.gateway_port, "/endpoints/fraud/score", headers, connections=1, pause=0.2)
    with trickle:
        wait_until(lambda: len(platform.instance_pids("fraud.busy")) == 1)
    assert not load.failures(), load.summary()
    assert not trickle.failures(), trickle.summary()
    wait_until(lambda: shown(platform, "busy").provisioning_state == "Succeeded")
    assert len(scalings(platform, "busy")) >= 2


def test_two_hundred_callers_of_a_sleeping_deployment_are_answered_and_so_is_who_comes_as_it_falls_asleep(
    platform: Platform, caller: httpx.Client
) -> None:
    wait_until(lambda: asleep(platform, "lazy"))
    assert shown(platform, "lazy").provisioning_state == "Succeeded"
    bodies = [b"x" * 1000] * 200 + [b"x" * 8_000_000] * 5
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: score(caller, "lazy", body), bodies))
    assert [a.status_code for a in answers if a.status_code != 200] == []
    assert [a.json()["length"] for a in answers] == [len(body) for body in bodies]
    assert {a.headers["azureml-model-deployment"] for a in answers} == {"lazy"}
    assert (shown(platform, "lazy").status.cold_start_seconds or 0) > 0

    # Callers who begin when it has been told to sleep, and has not ended its instance yet.
    before = {e.id for e in scalings(platform, "lazy")}
    wait_until(lambda: [e for e in scalings(platform, "lazy") if e.id not in before])
    with ThreadPoolExecutor(8) as pool:
        late = list(pool.map(lambda _: score(caller, "lazy", b"{}").status_code, range(64)))
    assert set(late) == {200}


def test_who_sleeps_is_not_woken_by_requests_that_were_answered_before(
    platform: Platform, caller: httpx.Client
) -> None:
    assert {score(caller, "lazy", b"{}").status_code for _ in range(20)} == {200}
    wait_until(lambda: asleep(platform, "lazy"))
    before = {e.id for e in scalings(platform, "lazy")}
    time.sleep(7)  # three decisions, while the requests are still in the stable window of a minute
    assert [e.message for e in scalings(platform, "lazy") if e.id not in before] == []
    assert asleep(platform, "lazy")


def test_a_model_that_cannot_load_when_it_is_needed_says_so(platform: Platform, caller: httpx.Client) -> None:
    wait_until(lambda: asleep(platform, "fickle"))
    answer = score(caller, "fickle", b"{}")
    assert answer.status_code == 503, answer.text
    error = json.loads(answer.text)["error"]
    assert error["code"] == "InstanceCannotStart"
    assert "No such file" in error["message"]
