"""What every `Tapes` promises: the platform's, over real instances, and the fake that tests are given."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, cast

import pytest
from support.gateway import a_socket_folder

from penstock.control.clock import SystemClock
from penstock.domain.instance import Instance, InstanceName, Phase
from penstock.online.fleet import Fleet
from penstock.online.instance_calls import UnixConnection
from penstock.online.places import Places
from penstock.online.sums import sums_of
from penstock.online.tapes import DeploymentTapes
from penstock.telemetry.tape import Exchange, Tapes
from penstock.testing.tapes import RecordedTapes
from penstock_worker import contract

SCRIPT = """
import time
def init(): pass
def run(data):
    if data == "raise": raise ValueError(data)
    if data == "sleep": time.sleep(600)
    return data
"""
MINUTE = timedelta(minutes=1)


class World(Protocol):
    """A deployment, fraud/blue, whose instances are asked by the test."""

    tapes: Tapes

    def ask(self, request_id: str, body: bytes = b"x", instance: int = 0) -> None: ...


class Recorded:
    def __init__(self) -> None:
        self.tapes = RecordedTapes(SystemClock().now)

    def ask(self, request_id: str, body: bytes = b"x", instance: int = 0) -> None:
        exchange = Exchange(
            instance=f"fraud.blue.r1.{instance}",
            request_id=request_id,
            at=SystemClock().now(),
            seconds=0.001,
            status=500 if body == b"raise" else 200,
            content_type="text/plain",
            request=body,
            answer=b'"%b"' % body,
        )
        self.tapes.put("fraud/blue", exchange)


class Running:
    """Real instances, and as much of a fleet as finds them."""

    def __init__(self, folder: Path) -> None:
        (folder / "score.py").write_text(SCRIPT)
        self.places = Places(run=folder, logs=folder, collected=folder)
        self.processes: dict[InstanceName, subprocess.Popen[bytes]] = {}
        self.tapes = DeploymentTapes(cast(Fleet, self), SystemClock())

    def start(self, ordinal: int) -> None:
        name = InstanceName("fraud", "blue", "r1", ordinal)
        environment = {
            "PATH": os.environ["PATH"],
            contract.APP_ROOT: str(self.places.run),
            contract.ENTRY_SCRIPT: "score.py",
            contract.SOCKET: str(self.places.socket(name)),
            contract.MEASURES: str(self.places.measures(name)),
        }
        argv = [sys.executable, "-m", "penstock_worker"]
        self.processes[name] = subprocess.Popen(argv, env=environment, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 100
        while not self.places.socket(name).exists() or sums_of(self.places, name) is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def instances(self, endpoint: str, deployment: str) -> list[Instance]:
        now = SystemClock().now()
        return [
            Instance(name=name, phase=Phase.READY, started_at=now, pid=process.pid)
            for name, process in self.processes.items()
            if (name.endpoint, name.deployment) == (endpoint, deployment)
        ]

    def address(self, name: InstanceName) -> str:
        return str(self.places.socket(name))

    def ask(self, request_id: str, body: bytes = b"x", instance: int = 0, seconds: float = 60) -> None:
        path = self.places.socket(InstanceName("fraud", "blue", "r1", instance))
        with closing(UnixConnection(str(path), seconds)) as connection:
            connection.request("POST", "/score", body, {"x-request-id": request_id, "content-type": "text/plain"})
            connection.getresponse().read()

    def close(self) -> None:
        self.tapes.stop()
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def running() -> Iterator[Running]:
    with a_socket_folder() as folder:
        made = Running(folder)
        try:
            made.start(0)
            made.start(1)
            yield made
        finally:
            made.close()


@pytest.fixture(params=["instances", "fake"])
def world(request: pytest.FixtureRequest) -> World:
    return request.getfixturevalue("running") if request.param == "instances" else Recorded()


def on_tape(world: World, since: datetime) -> list[str]:
    return [each.request_id for each in world.tapes.exchanges("fraud", "blue", since)]


def test_what_is_asked_while_a_tape_rolls_is_on_it_in_the_order_of_the_answers(world: World) -> None:
    began = SystemClock().now()
    world.ask("before")
    assert on_tape(world, began) == []
    world.tapes.roll("fraud", "blue", MINUTE)
    for number, body in enumerate((b"x", b"raise", b"y")):
        world.ask(f"r{number}", body, instance=number % 2)
    first, second, third = world.tapes.exchanges("fraud", "blue", began)
    assert (first.request_id, first.status, first.request, first.answer) == ("r0", 200, b"x", b'"x"')
    assert (first.instance, second.instance) == ("fraud.blue.r1.0", "fraud.blue.r1.1")
    assert (second.status, first.content_type) == (500, "text/plain")
    assert began < first.at < second.at < third.at <= SystemClock().now()
    assert on_tape(world, first.at) == ["r1", "r2"]
    assert on_tape(world, third.at) == []
    assert world.tapes.exchanges("fraud", "green", began) == []


def test_the_share_of_one_deployment_is_the_share_of_another(world: World) -> None:
    began = SystemClock().now()
    world.tapes.roll("fraud", "blue", MINUTE, share=0.3)
    ids = [f"id-{number}" for number in range(60)]
    for name in ids:
        world.ask(name, instance=0)
    kept = on_tape(world, began)
    for name in ids:
        world.ask(name, instance=1)
    assert on_tape(world, began) == kept * 2
    assert 5 < len(kept) < 35
    world.tapes.roll("fraud", "blue", MINUTE, share=1.0)
    later = SystemClock().now()
    world.tapes.roll("fraud", "blue", MINUTE / 2, share=0.1)  # asks for less: nothing is taken from others
    for name in ids:
        world.ask(name)
    assert on_tape(world, later) == ids


def test_an_instance_that_comes_later_rolls_too_and_one_that_hangs_delays_nobody_for_long(running: Running) -> None:
    began = SystemClock().now()
    running.tapes.roll("fraud", "blue", MINUTE)
    running.start(2)
    running.tapes.step()
    running.ask("new", instance=2)
    running.ask("old", instance=0)
    with suppress(TimeoutError):
        running.ask("never answered", b"sleep", instance=1, seconds=0.3)
    assert on_tape(running, began) == ["new", "old"]


def test_instances_that_are_gone_or_keep_no_tape_leave_nothing_on_it(running: Running) -> None:
    began = SystemClock().now()
    running.tapes.roll("fraud", "blue", MINUTE)
    running.ask("kept", instance=1)
    name = InstanceName("fraud", "blue", "r1", 0)
    running.processes[name].kill()
    running.processes[name].wait()
    assert on_tape(running, began) == ["kept"]
    running.places.measures(InstanceName("fraud", "blue", "r1", 1)).unlink()
    assert on_tape(running, began) == []
