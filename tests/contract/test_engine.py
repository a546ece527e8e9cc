"""What every engine promises, run on real processes and on the fake."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from penstock.domain.errors import Code, PenstockError
from penstock.engines.base import Engine, Process, ProcessSpec
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
        wait_for(lambda: READY in self.log(name).read_text())

    def crash(self, process: Process) -> None:
        psutil.Process(process.pid).kill()


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


def wait_for(claim: Callable[[], bool], seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)


def of(engine: Engine, name: str) -> Process:
    return next(process for process in engine.inspect() if process.name == name)


def wait_until_ended(engine: Engine, name: str) -> Process:
    wait_for(lambda: not of(engine, name).running)
    return of(engine, name)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalHost]:
    host = LocalHost(tmp_path)
    yield host
    end_owned_processes(str(tmp_path), timedelta(0))
    host.first.inspect()  # reaps


@pytest.fixture(params=["local", "fake"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return FakeHost(tmp_path) if request.param == "fake" else request.getfixturevalue("local")


def test_a_started_process_runs_and_is_found_by_its_name(host: Host) -> None:
    process = host.engine().start(host.spec("a"))
    assert process.running
    assert abs(process.started_at - datetime.now(UTC)) < timedelta(seconds=10)
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
