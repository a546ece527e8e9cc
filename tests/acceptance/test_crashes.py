"""kill -9 of anything, anywhere: the next start ends in the state that there would have been without it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from support import crashing
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment, write_endpoint

from penstock import durable


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("crashes")
    with a_platform(folder / "home") as platform:
        platform.run("online-endpoint", "create", "-f", write_endpoint(folder, "fraud"))
        yield platform


class Doomed:
    """The platform's control plane in one that crashes where it is told to, and is then started anew."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.end()
        with open(self._platform.home / "logs" / "crashing.log", "ab") as log:
            process = subprocess.Popen(
                [sys.executable, crashing.__file__, *CREATE, *UPDATE, *DELETE],
                env=self._platform.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        wait_until(lambda: listening(self._platform, process.pid))

    def death(self) -> int:
        """Await it; the exit status."""
        assert self._process is not None
        return self._process.wait(timeout=100)

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def doomed(platform: Platform) -> Generator[Doomed]:
    platform.kill_control_plane()  # gateway and instances live on
    doomed = Doomed(platform)
    doomed.start()
    yield doomed
    doomed.end()


def listening(platform: Platform, pid: int) -> bool:
    try:
        return platform.server["pid"] == pid
    except FileNotFoundError:
        return False


CREATE = [
    "after FileArtifacts.put_tree",
    "before SqlStore.create",
    "after SqlStore.create",
    "after FileArtifacts.materialise",
    "before LocalEngine.start",
    "after LocalEngine.start",
    "after HaproxyGateway.apply",
    "before SqlStore.update_status",
]
UPDATE = [
    "after SqlStore.update_spec",
    "after LocalEngine.start",
    "after Fleet.drain",
    "after LocalEngine.stop",
    "after LocalEngine.forget",
]
DELETE = [
    "after SqlStore.mark_deleting",
    "after Fleet.drain",
    "after LocalEngine.stop",
    "before SqlStore.remove",
    "after SqlStore.remove",
]


@pytest.mark.parametrize("point", CREATE)
def test_a_create_survives_the_control_planes_death(
    platform: Platform, doomed: Doomed, tmp_path: Path, point: str
) -> None:
    path = write_deployment(tmp_path, "fraud", "blue", variables={"POINT": point})
    run_with_a_crash(platform, doomed, point, "online-deployment", "create", "-f", path)
    assert_serving(platform, count=1)
    platform.run("online-deployment", "delete", "-n", "blue", "-e", "fraud", "--yes")
    assert platform.instance_pids("fraud.blue") == []


@pytest.mark.parametrize("point", UPDATE)
def test_an_update_survives_the_control_planes_death(
    platform: Platform, doomed: Doomed, tmp_path: Path, point: str
) -> None:
    platform.run("online-deployment", "create", "-f", write_deployment(tmp_path, "fraud", "blue"))
    path = write_deployment(tmp_path, "fraud", "blue", script=ECHO + f"# {point}\n", variables={"VERSION": point})
    run_with_a_crash(platform, doomed, point, "online-deployment", "update", "-f", path)
    assert_serving(platform, count=1)
    assert answer(platform).json()["version"] == point


@pytest.mark.parametrize("point", DELETE)
def test_a_delete_survives_the_control_planes_death(
    platform: Platform, doomed: Doomed, tmp_path: Path, point: str
) -> None:
    platform.run("online-deployment", "create", "-f", write_deployment(tmp_path, "fraud", "blue"))
    run_with_a_crash(platform, doomed, point, "online-deployment", "delete", "-n", "blue", "-e", "fraud", "--yes")
    assert platform.json("online-deployment", "list", "-e", "fraud") == []
    assert platform.instance_pids("fraud.blue") == []
    assert answer(platform).status_code == 404


def test_a_killed_gateway_is_back_by_itself(platform: Platform, tmp_path: Path) -> None:
    platform.run("online-deployment", "create", "-f", write_deployment(tmp_path, "fraud", "blue"))
    answers = prober(platform)
    assert answers()

    def haproxies() -> set[int]:
        return {process.pid for process in platform.processes() if "haproxy" in process.name()}

    killed = haproxies()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: haproxies() - killed and answers())


def test_an_instance_that_hangs_is_replaced_when_its_liveness_probe_gives_up(
    platform: Platform, tmp_path: Path
) -> None:
    script = ECHO.replace("import json, os", "import json, os, time").replace(
        "    return", "    if raw_data == 'hang':\n        time.sleep(600)\n    return"
    )
    probe = {"initial_delay": 1, "period": 1, "timeout": 2, "failure_threshold": 2}
    extra = {"liveness_probe": probe, "request_settings": {"request_timeout_ms": 1000}}
    platform.run(
        "online-deployment", "create", "-f", write_deployment(tmp_path, "fraud", "blue", script=script, extra=extra)
    )
    before = platform.instance_pids("fraud.blue")
    assert platform.score("fraud", "hang", azureml_model_deployment="blue").status_code == 408
    wait_until(lambda: platform.instance_pids("fraud.blue") not in ([], before))
    wait_until(prober(platform))
    assert "InstanceUnresponsive" in {e["reason"] for e in platform.json("events", "-n", "fraud")}


def test_a_validation_that_the_control_plane_died_in_leaves_no_process(platform: Platform, tmp_path: Path) -> None:
    endless = ECHO.replace("pass", "import time; time.sleep(600)")
    asking = platform.begin("model", "validate", "-f", write_deployment(tmp_path, "fraud", "tried", script=endless))
    wait_until(lambda: platform.instance_pids("validation"))
    platform.kill_control_plane()
    platform.up()
    wait_until(lambda: not platform.instance_pids("validation"))
    said = asking.communicate(timeout=100)[1]
    assert asking.returncode == 3, said
    assert "the platform was started anew since" in said


def test_nothing_is_left_after_down_even_if_the_control_plane_was_killed(platform: Platform, tmp_path: Path) -> None:
    platform.run("online-deployment", "create", "-f", write_deployment(tmp_path, "fraud", "blue", count=2))
    platform.kill_control_plane()
    assert platform.processes()
    platform.down()
    assert platform.processes() == []
    platform.up()


def test_a_second_start_serves_what_was_deployed_before(platform: Platform, tmp_path: Path) -> None:
    names = [f"dep{n}" for n in range(5)]
    for name in names:
        write_deployment(tmp_path, "fraud", name, variables={"VERSION": name})
    platform.run("apply", "-f", tmp_path)
    platform.down()
    platform.up()
    probes = [prober(platform, name) for name in names]
    wait_until(lambda: all(probe() for probe in probes))


def run_with_a_crash(platform: Platform, doomed: Doomed, point: str, *command: object) -> None:
    """Run a command against a control plane that dies at `point`; the command goes through once it is back."""
    armed = platform.home / "armed"
    durable.replace(armed, point.encode())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(platform.run, *command, check=False)
        try:
            assert doomed.death() == -signal.SIGKILL
        finally:
            armed.unlink()
            doomed.start()
            done = running.result(timeout=100)
    if "no platform answers" in done.stderr:  # it died before the command's first call, which then waits for nobody
        platform.run(*command)
    else:
        assert done.returncode == 0, done.stderr


def assert_serving(platform: Platform, count: int) -> None:
    assert answer(platform).status_code == 200
    wait_until(lambda: len(platform.instance_pids("fraud.blue")) == count)
    wait_until(lambda: unmarked_children(platform) == [])


def unmarked_children(platform: Platform) -> Sequence[psutil.Process]:
    """Processes of the platform that belong to nothing that is there."""
    known = {*platform.instance_pids("fraud.blue"), int(platform.server["pid"])}
    return [p for p in platform.processes() if p.pid not in known and "haproxy" not in p.name()]


def answer(platform: Platform, deployment: str = "blue") -> httpx.Response:
    return platform.score("fraud", azureml_model_deployment=deployment)


def prober(platform: Platform, deployment: str = "blue"):
    """A function that says whether the deployment answers 200 just now."""
    key = platform.key("fraud")
    headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": deployment}

    def answers() -> bool:
        try:
            url = f"http://127.0.0.1:{platform.gateway_port}/endpoints/fraud/score"
            return httpx.post(url, content="{}", headers=headers, timeout=10).status_code == 200
        except httpx.HTTPError:
            time.sleep(0.01)
            return False

    return answers
