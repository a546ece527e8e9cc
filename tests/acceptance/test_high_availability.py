"""Two control planes of one home on one PostgreSQL, and predictions that notice nothing of what becomes of them."""

import json
import os
import signal
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from support.callers import write_yaml
from support.load import Load
from support.postgresql import a_postgresql
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment

SLOW = ECHO.replace("import json, os", "import json, os, time").replace(
    "    return",
    "    if raw_data == 'slow':\n        open(os.environ['BEGUN'], 'w').close()\n        time.sleep(2)\n    return",
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Generator[Platform]:
    folder = tmp_path_factory.mktemp("ha")
    home, files = folder / "home", folder / "files"
    write_yaml(files / "endpoint.yml", {"name": "fraud", "auth_mode": "key", "traffic": {"blue": 100}})
    write_deployment(files, "fraud", "blue", script=SLOW, variables={"BEGUN": str(home / "begun")})
    with (
        a_postgresql() as url,
        a_platform(home, {"PENSTOCK_DATABASE_URL": url}, environments=environments) as platform,
    ):
        with platform.begin("up", "--detach", "--standby") as standby:
            platform.run("apply", "-f", files)
            _, said = standby.communicate(timeout=100)  # leaving the block earlier would close what it speaks into
        assert standby.returncode == 0, said
        yield platform


@pytest.fixture(scope="module")
def key(platform: Platform) -> str:
    return platform.key("fraud")


@pytest.fixture
def load(platform: Platform, key: str) -> Generator[Load]:
    """Asks all the while; nothing may be lost, and nothing that serves may be started anew."""
    before = serving(platform)
    load = Load(
        platform.gateway_port,
        "/endpoints/fraud/score",
        {"Authorization": f"Bearer {key}"},
        body=b"{}",
        connections=8,
        pause=0.005,
    )
    with load:
        yield load
        load.wait_for(50)
    assert not load.failures(), load.summary()
    assert serving(platform) == before


def test_a_standby_leads_after_the_leader_was_killed(platform: Platform, load: Load, tmp_path: Path) -> None:
    first, second = pids(platform)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: leader(platform) == second)
    path = write_deployment(tmp_path, "fraud", "green", variables={"VERSION": "after"})
    platform.run("online-deployment", "create", "-f", path)
    assert platform.score("fraud", azureml_model_deployment="green").json()["version"] == "after"
    platform.run("up", "--detach")
    main, _ = pids(platform)
    assert platform.json("status")["control_planes"] == f"main follows (pid {main}), standby leads (pid {second})"


def test_a_leader_that_was_stopped_for_longer_than_its_lease_does_no_damage_later(
    platform: Platform, load: Load, tmp_path: Path
) -> None:
    second, first = pids(platform)
    path = write_deployment(tmp_path, "fraud", "green", variables={"VERSION": "half"})
    platform.run("online-deployment", "create", "-f", path, "--no-wait")  # it is in the middle of something
    os.kill(first, signal.SIGSTOP)
    platform.run("online-deployment", "delete", "-n", "green", "-e", "fraud", "--yes")  # waits for who takes over
    assert leader(platform) == second
    with suppress(ProcessLookupError):
        os.kill(first, signal.SIGCONT)
    wait_until(lambda: ended(first))
    wait_until(lambda: platform.instance_pids("fraud.green") == [])
    platform.run("up", "--detach", "--standby")
    assert [d["name"] for d in platform.json("online-deployment", "list", "-e", "fraud")] == ["blue"]


def test_readiness_tells_of_a_database_that_hangs_and_nobody_loses_the_lead(platform: Platform, load: Load) -> None:
    urls = [json.loads((platform.home / f"{name}.json").read_text())["url"] for name in ("main", "standby")]
    assert [ready(url) for url in urls] == [200, 200]
    before = leader(platform)
    database = backends(platform)
    for process in database:
        process.suspend()
    try:
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(ready, urls)) == [503, 503]
        assert [httpx.get(f"{url}/healthz", timeout=60).status_code for url in urls] == [200, 200]
    finally:
        for process in reversed(database):
            process.resume()
    wait_until(lambda: [ready(url) for url in urls] == [200, 200])
    assert leader(platform) == before


def test_the_gateway_says_without_a_key_whether_an_endpoint_can_answer(platform: Platform) -> None:
    url = f"http://127.0.0.1:{platform.gateway_port}/endpoints"
    assert httpx.get(f"{url}/fraud/readyz", timeout=60).status_code == 200
    assert httpx.get(f"{url}/none/readyz", timeout=60).status_code == 404
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=0")
    assert httpx.get(f"{url}/fraud/readyz", timeout=60).status_code == 503
    platform.run("online-endpoint", "update", "-n", "fraud", "--traffic", "blue=100")


def test_sigterm_of_one_of_two_hands_over_at_once(platform: Platform, load: Load) -> None:
    first, second = pids(platform)
    os.kill(first, signal.SIGTERM)
    wait_until(lambda: leader(platform) == second)
    wait_until(lambda: ended(first))
    platform.run("online-endpoint", "update", "-n", "fraud", "--set", "tags.handed=over")


def test_sigterm_of_one_that_keeps_serving_and_its_next_start_lose_nothing(platform: Platform, load: Load) -> None:
    platform.run("up", "--detach", "--keep-serving")
    keeping, standby = pids(platform)
    for pid in (standby, keeping):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda pid=pid: ended(pid))
    load.wait_for(20)
    platform.run("up", "--detach")
    assert leader(platform) == json.loads((platform.home / "main.json").read_text())["pid"]


def test_sigterm_of_the_last_one_answers_what_has_come_and_then_ends_everything(platform: Platform) -> None:
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(platform.score, "fraud", "slow")
        wait_until((platform.home / "begun").exists)
        os.kill(leader(platform), signal.SIGTERM)
        assert under_way.result().status_code == 200
    wait_until(lambda: not platform.processes())


def pids(platform: Platform) -> tuple[int, int]:
    """Of the main control plane and of the standby."""
    main, standby = (json.loads((platform.home / f"{name}.json").read_text())["pid"] for name in ("main", "standby"))
    return main, standby


def leader(platform: Platform) -> int:
    """Pid of the one that leads, once its API answers; 0 while none does."""
    try:
        server = platform.server
        return server["pid"] if httpx.get(f"{server['url']}/readyz", timeout=60).status_code == 200 else 0
    except (OSError, ValueError, httpx.HTTPError):
        return 0


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def serving(platform: Platform) -> set[int]:
    """Pids of the gateway and of the instances of the deployment that is asked."""
    masters = {p.pid for p in platform.processes() if p.name() == "haproxy" and os.getsid(p.pid) == p.pid}
    return masters | set(platform.instance_pids("fraud.blue"))


def backends(platform: Platform) -> list[psutil.Process]:
    """PostgreSQL's processes, the first one first."""
    data = platform.environment["PENSTOCK_DATABASE_URL"].rpartition("host=")[2]
    postmaster = next(p for p in psutil.process_iter() if p.name() == "postgres" and p.cmdline()[1:3] == ["-D", data])
    return [postmaster, *postmaster.children(recursive=True)]


def ready(url: str) -> int:
    return httpx.get(f"{url}/readyz", timeout=60).status_code
