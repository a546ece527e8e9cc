"""What deployments do is measured: known load goes in, windows come out, in whatever control plane one looks."""

import os
import signal
from collections.abc import Generator, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median

import pytest
from support.callers import Caller, a_caller, write_yaml
from support.running import Platform, a_platform, wait_until, write_deployment

from penstock.api.services import Services
from penstock.control.clock import SystemClock
from penstock.control.events import EventFollower
from penstock.online.meter import Meter
from penstock.settings import from_environment
from penstock.telemetry.series import Window
from penstock.wiring import build

SCRIPT = """
import os, time
def init():
    pass
def run(raw_data):
    if raw_data == "raise":
        raise ValueError(raw_data)
    time.sleep(float(os.environ["SECONDS"]))
    return [raw_data, os.environ["SECONDS"]]
"""
GOOD, RAISING, REFUSED = 60, 7, 5


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    """An endpoint whose live deployment is several processes, and which has a mirror."""
    folder = tmp_path_factory.mktemp("measured")
    with a_platform(folder / "home") as made:
        endpoint = {"name": "watched", "auth_mode": "key", "traffic": {"blue": 100}, "mirror_traffic": {"green": 50}}
        write_yaml(folder / "files" / "endpoints.yml", endpoint)
        blue = {"SECONDS": "0.02", "WORKER_COUNT": "2"}
        write_deployment(folder / "files", "watched", "blue", script=SCRIPT, variables=blue)
        write_deployment(folder / "files", "watched", "green", script=SCRIPT, variables={"SECONDS": "0.001"})
        made.run("apply", "-f", folder / "files")
        yield made


@pytest.fixture(scope="module")
def caller(platform: Platform) -> Generator[Caller]:
    with a_caller(platform, "watched") as made:
        yield made


@pytest.fixture(scope="module")
def services(platform: Platform) -> Iterator[Services]:
    """Those of a control plane that does not lead, as far as it looks at what goes on."""
    home = Path(platform.environment["PENSTOCK_HOME"])
    other = build(from_environment({"PENSTOCK_HOME": str(home)}), "token", lambda: None)
    parts = [part for part in other.parts if isinstance(part, Meter | EventFollower)]
    for part in parts:
        part.start()
    yield other.services
    for part in parts:
        part.stop()
    for close in other.closing:
        close()


def hour(services: Services, deployment: str) -> Window:
    """All that has been measured."""
    now = SystemClock().now()
    return services.windows.window(f"watched/{deployment}", now - timedelta(hours=1), now)


def test_known_load_is_measured_exactly_by_gateway_and_instances(caller: Caller, services: Services) -> None:
    wait_until(lambda: hour(services, "blue").seconds)
    assert hour(services, "blue").requests == 0
    answers = [caller.score("x") for _ in range(GOOD)]
    assert [answer.status_code for answer in answers] == [200] * GOOD
    assert [caller.score("raise").status_code for _ in range(RAISING)] == [424] * RAISING
    assert [caller.score(b"\xff").status_code for _ in range(REFUSED)] == [400] * REFUSED
    whole = GOOD + RAISING + REFUSED
    wait_until(lambda: hour(services, "blue").requests >= whole and hour(services, "blue").latency.total >= whole)
    window = hour(services, "blue")
    assert (window.requests, window.failed, window.refused) == (whole, RAISING, REFUSED)
    assert window.latency.total == whole, "of all processes of the instance"
    seen = median(answer.elapsed.total_seconds() for answer in answers)
    assert 0.02 / 1.1 < window.latency.percentile(0.5) < seen * 1.1  # edges of buckets lie between
    assert window.ready == 1
    assert window.cpu is not None
    assert window.memory is not None
    assert 0 < window.memory.mean < 1
    wait_until(lambda: hour(services, "green").requests)
    assert hour(services, "green").requests < whole, "copies"


def test_the_command_tells_it_by_azures_names(platform: Platform, caller: Caller) -> None:
    def told() -> list[dict[str, float]]:
        caller.score("x")
        minutes = platform.json("metrics", "-e", "watched", "-d", "blue", "--minutes", 2)
        return [each for each in minutes if all(each[name] for name in names)]

    names = ("RequestLatency_P99", "RequestsPerMinute", "DeploymentCapacity", "CpuMemoryUtilizationPercentage")
    found: list[dict[str, float]] = []
    wait_until(lambda: found.extend(told()) or found)
    assert 15 < found[0]["RequestLatency_P50"] <= found[0]["RequestLatency_P99"] < 60_000
    assert found[0]["DeploymentCapacity"] <= 1
    unknown = platform.run("metrics", "-e", "watched", "--metric", "Nonsense", check=False)
    assert unknown.returncode == 2
    assert "RequestLatency_P99" in unknown.stderr


def test_a_request_and_its_copy_meet_on_the_tapes_by_their_id(caller: Caller, services: Services) -> None:
    began = SystemClock().now()
    for deployment in ("blue", "green"):
        services.tapes.roll("watched", deployment, timedelta(minutes=1))
    for number in range(40):
        caller.score(f"body {number}", **({"x_request_id": f"named-{number}"} if number % 2 else {}))

    def pairs() -> list[tuple[bytes, bytes, bytes, bytes]]:
        sent, copied = (
            {e.request_id: e for e in services.tapes.exchanges("watched", name, began)} for name in ("blue", "green")
        )
        assert len(sent) == 40
        return [(sent[i].request, sent[i].answer, copy.request, copy.answer) for i, copy in copied.items()]

    wait_until(lambda: len(pairs()) >= 5)
    for request, answer, copy, answer_to_copy in pairs():
        assert request == copy
        assert answer == b'["%b", "0.02"]' % request
        assert answer_to_copy == b'["%b", "0.001"]' % request


def test_a_death_is_a_restart_and_counts_go_on_from_zero(
    platform: Platform, caller: Caller, services: Services
) -> None:
    before = hour(services, "green")
    [pid] = platform.instance_pids("watched.green")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: hour(services, "green").restarts == 1)
    wait_until(lambda: caller.served(azureml_model_deployment="green"))
    wait_until(lambda: hour(services, "green").latency.total > before.latency.total)
    after = hour(services, "green")
    assert after.latency.total <= after.requests  # the gateway's and the instance's counts are read one after the other
    assert after.restarts == 1
