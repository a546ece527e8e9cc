"""The prober against real sockets."""

import threading
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from support.instances import Instance

from penstock.domain.deployment import Probe
from penstock.online.probes import Prober, Target
from penstock.online.whereabouts import Question

QUICK = Probe(initial_delay=0, period=1, timeout=1, failure_threshold=1)


@pytest.fixture
def flips() -> list[str]:
    return []


@pytest.fixture
def prober(flips: list[str]) -> Generator[Prober]:
    prober = Prober(flips.append)
    prober.start()
    yield prober
    prober.stop()
    for thread in threading.enumerate():
        if thread.name.startswith("probe"):
            thread.join(5)


def target(path: Path, started: float = 1.0) -> Target:
    at = Question(address=str(path), path="/")
    return Target(name="one", identity=(1, started), liveness_at=at, readiness_at=at, liveness=QUICK, readiness=QUICK)


def until(prober: Prober, outcome: tuple[bool, bool]) -> bool:
    deadline = time.monotonic() + 5
    while prober.outcome("one") != outcome and time.monotonic() < deadline:
        time.sleep(0.02)
    return prober.outcome("one") == outcome


def test_an_instance_that_answers_no_more_is_told_and_a_new_process_of_its_name_is_not_blamed(
    prober: Prober, flips: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "one.sock"
    instance = Instance("one", path)
    prober.watch(target(path))
    time.sleep(0.6)
    assert prober.outcome("one") == (True, True)
    assert prober.answered("one", (1, 1.0))
    assert flips == ["one"]
    instance.close()
    assert until(prober, (False, False))
    assert flips == ["one", "one"]
    again = Instance("one", path)
    prober.watch(target(path, started=2.0))
    assert prober.outcome("one") == (True, True)
    assert not prober.answered("one", (2, 2.0))
    prober.forget("one")
    again.close()
