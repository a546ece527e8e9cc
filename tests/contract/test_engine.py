"""What every engine promises, run on real processes and on the fake."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import psutil
import pytest
from support.containers import a_plain_image, a_tool
from support.running import wait_until

from penstock.containers.tool import Tool
from penstock.domain.errors import Code, PenstockError
from penstock.engines.base import Container, Engine, Process, ProcessSpec
from penstock.engines.container import ContainerEngine, end_owned_containers, owned_containers
from penstock.engines.local import LocalEngine, end_owned_processes
from penstock.testing.engine import FakeEngine

PATIENT = timedelta(minutes=1)
READY = "ready"
DRAINS = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("{READY}", flush=True)
time.sleep(60)
"""
STUBBORN = DRAINS.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")


class Host(Protocol):
    """An engine implementation, and what tests do to its processes from outside."""

    def engine(self) -> Engine: ...

    def restarted(self) -> Engine: ...

    def spec(self, name: str, *, stubborn: bool = False) -> ProcessSpec: ...

    def unstartable(self, name: str) -> ProcessSpec: ...

    def wait_until_up(self, name: str) -> None: ...

    def crash(self, process: Process) -> None: ...


class LocalHost:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.first = LocalEngine(str(folder))

    def engine(self) -> LocalEngine:
        return self.first

    def restarted(self) -> LocalEngine:
        return LocalEngine(str(self.folder))

    def spec(self, name: str, *, stubborn: bool = False) -> ProcessSpec:
        return self.program(name, STUBBORN if stubborn else DRAINS)

    def unstartable(self, name: str) -> ProcessSpec:
        return ProcessSpec(name=name, argv=("no-such-program",), environment={}, folder=self.folder, log=self.log(name))

    def program(self, name: str, code: str) -> ProcessSpec:
        argv = (sys.executable, "-c", code)
        return ProcessSpec(name=name, argv=argv, environment={"A": "1"}, folder=self.folder, log=self.log(name))

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def wait_until_up(self, name: str) -> None:
        wait_until(lambda: READY in self.log(name).read_text())

    def crash(self, process: Process) -> None:
        psutil.Process(process.pid).kill()


class ContainerHost(LocalHost):
    """Processes in containers, each of a client that is a process of a local engine."""

    def __init__(self, folder: Path, tool: Tool, image: str) -> None:
        super().__init__(folder)
        self.tool, self.image = tool, image
        self.containers = self.made(self.first)

    def engine(self) -> ContainerEngine:  # type: ignore[override]
        return self.containers

    def restarted(self) -> ContainerEngine:  # type: ignore[override]
        return self.made(LocalEngine(str(self.folder)))

    def made(self, local: LocalEngine) -> ContainerEngine:
        folder = self.folder / "containers"
        return ContainerEngine(local, lambda: self.tool, folder, owner=str(self.folder), log_bytes=2**20)

    def unstartable(self, name: str) -> ProcessSpec:
        return replace(self.spec(name), log=self.folder / "no-such-folder" / "log")

    def program(self, name: str, code: str) -> ProcessSpec:
        container = Container(image=self.image, ports={}, mounts=(), user="", memory_bytes=64 * 2**20)
        return replace(super().program(name, code), argv=("python3", "-c", code), container=container)

    def names(self) -> list[str]:
        return sorted(owned_containers(self.tool, str(self.folder)).values())


class FakeHost:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fake = FakeEngine(now=lambda: datetime.now(UTC))

    def engine(self) -> Engine:
        return self.fake

    def restarted(self) -> Engine:
        return self.fake.restarted()

    def spec(self, name: str, *, stubborn: bool = False) -> ProcessSpec:
        if stubborn:
            self.fake.stubborn.add(name)
        return ProcessSpec(name=name, argv=("x",), environment={}, folder=self.folder, log=self.folder / "log")

    def unstartable(self, name: str) -> ProcessSpec:
        self.fake.unstartable.add(name)
        return self.spec(name)

    def wait_until_up(self, name: str) -> None:
        pass

    def crash(self, process: Process) -> None:
        self.fake.die(process.name, -9)


def of(engine: Engine, name: str) -> Process:
    return next(process for process in engine.inspect() if process.name == name)


def wait_until_ended(engine: Engine, name: str) -> Process:
    wait_until(lambda: not of(engine, name).running)
    return of(engine, name)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalHost]:
    host = LocalHost(tmp_path)
    yield host
    end_owned_processes(str(tmp_path), timedelta(0))
    host.first.inspect()  # reaps


@pytest.fixture
def container(tmp_path: Path) -> Iterator[ContainerHost]:
    host = ContainerHost(tmp_path, a_tool(), a_plain_image())
    yield host
    end_owned_processes(str(tmp_path), timedelta(0))
    host.first.inspect()  # reaps
    host.containers.close()
    end_owned_containers(str(tmp_path), tmp_path / "containers", lambda: host.tool)
    assert host.names() == []


@pytest.fixture(params=["local", "container", "fake"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return FakeHost(tmp_path) if request.param == "fake" else request.getfixturevalue(request.param)


def test_a_started_process_runs_and_is_found_by_its_name(host: Host) -> None:
    before = datetime.now(UTC)
    process = host.engine().start(host.spec("a"))
    assert process.running
    assert before - timedelta(seconds=2) < process.started_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert list(host.engine().inspect()) == [process]


def test_starting_a_running_process_again_returns_it(host: Host) -> None:
    spec = host.spec("a")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(host.engine().start, [spec] * 8))
    assert len({process.pid for process in found}) == 1
    assert len(host.engine().inspect()) == 1


def test_a_process_that_cannot_start_is_a_failure_that_names_it(host: Host) -> None:
    with pytest.raises(PenstockError, match="'a' cannot start") as caught:
        host.engine().start(host.unstartable("a"))
    assert caught.value.code is Code.FAILED
    assert not host.engine().inspect()


def test_a_stopped_process_ends_by_itself(host: Host) -> None:
    engine = host.engine()
    engine.start(host.spec("a"))
    host.wait_until_up("a")
    engine.stop("a", PATIENT)
    engine.stop("a", PATIENT)
    assert wait_until_ended(engine, "a").exit_code in (0, -15)


def test_a_process_that_does_not_end_is_killed_once_the_grace_has_passed(host: Host) -> None:
    engine = host.engine()
    engine.start(host.spec("a", stubborn=True))
    host.wait_until_up("a")
    engine.stop("a", PATIENT)
    time.sleep(0.1)
    assert of(engine, "a").running
    engine.stop("a", timedelta(milliseconds=100))
    assert wait_until_ended(engine, "a").exit_code == -9


def test_a_crash_is_seen_with_its_signal(host: Host) -> None:
    engine = host.engine()
    host.crash(engine.start(host.spec("a")))
    assert wait_until_ended(engine, "a").exit_code == -9


def test_an_ended_process_is_kept_until_it_is_forgotten_and_may_be_started_again(host: Host) -> None:
    engine = host.engine()
    first = engine.start(host.spec("a"))
    engine.forget("a")
    assert of(engine, "a").running
    host.crash(first)
    wait_until_ended(engine, "a")
    second = engine.start(host.spec("a"))
    assert second.running
    assert second.pid != first.pid
    host.crash(second)
    wait_until_ended(engine, "a")
    engine.forget("a")
    assert not engine.inspect()


def test_unknown_names_can_be_stopped_and_forgotten(host: Host) -> None:
    host.engine().stop("nobody", PATIENT)
    host.engine().forget("nobody")
    assert not host.engine().inspect()


def test_a_new_engine_finds_what_an_earlier_one_started(host: Host) -> None:
    started = host.engine().start(host.spec("a"))
    host.wait_until_up("a")
    engine = host.restarted()
    found = of(engine, "a")
    assert (found.pid, found.running, found.started_at) == (started.pid, True, started.started_at)
    assert engine.start(host.spec("a")).pid == started.pid
    engine.stop("a", PATIENT)
    wait_until_ended(engine, "a")


def test_a_container_whose_client_was_killed_is_removed_while_the_next_one_of_its_name_serves(
    container: ContainerHost,
) -> None:
    engine = container.engine()
    first = engine.start(container.spec("a"))
    container.wait_until_up("a")
    container.crash(first)
    wait_until_ended(engine, "a")
    container.log("a").unlink()
    engine.start(container.spec("a"))
    container.wait_until_up("a")
    wait_until(lambda: len(container.names()) == 1)
    assert of(engine, "a").running


def test_containers_that_lost_their_clients_while_nobody_looked_are_removed_by_the_next_engine(
    container: ContainerHost,
) -> None:
    for name in ("a", "b"):
        container.engine().start(container.spec(name))
        container.wait_until_up(name)
    container.crash(of(container.engine(), "a"))
    assert len(container.names()) == 2
    engine = container.restarted()
    wait_until(lambda: [name[-1] for name in container.names()] == ["b"])
    assert [process.name for process in engine.inspect()] == ["b"]
    engine.close()


def test_a_container_gets_its_variables_and_no_more_memory_than_it_may_have(container: ContainerHost) -> None:
    engine = container.engine()
    greedy = "import os; print(sorted(os.environ), flush=True); eaten = os.urandom(10**6) * 200"
    engine.start(container.program("a", greedy))
    assert wait_until_ended(engine, "a").exit_code == -9
    said = container.log("a").read_text()
    assert "'A'" in said
    assert "PENSTOCK" not in said


def test_the_log_of_a_container_is_kept_small(container: ContainerHost) -> None:
    engine = container.engine()
    engine.start(container.program("a", "print('x' * 3 * 2**20, flush=True); import time; time.sleep(60)"))
    wait_until(lambda: container.log("a").exists() and container.log("a").stat().st_size > 2**20)
    engine.inspect()
    assert container.log("a").stat().st_size < 2**20
    assert container.log("a").with_name("a.log.1").exists()
