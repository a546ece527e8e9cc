"""The prober against real sockets."""

import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from support.instances import Instance
from support.running import wait_until

from penstock.domain.deployment import Probe
from penstock.online.probes import Prober, Target
from penstock.online.whereabouts import Question

QUICK = Probe(initial_delay=0, period=1, timeout=5, failure_threshold=1)
LATER = Probe(initial_delay=300, period=1, timeout=5, failure_threshold=1)


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


def target(path: Path, probe: Probe, started: float) -> Target:
    at = Question(address=str(path), path="/")
    return Target(name="one", identity=(1, started), liveness_at=at, readiness_at=at, liveness=probe, readiness=probe)


def test_an_instance_that_answers_no_more_is_told_and_a_new_process_of_its_name_is_not_blamed(
    prober: Prober, flips: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "one.sock"
    instance = Instance("one", path)
    prober.watch(target(path, QUICK, started=1.0))
    wait_until(lambda: prober.answered("one", (1, 1.0)))
    assert prober.outcome("one") == (True, True)
    wait_until(lambda: flips == ["one"])
    instance.close()
    wait_until(lambda: prober.outcome("one") == (False, False))
    wait_until(lambda: len(flips) == 2)
    prober.watch(target(path, LATER, started=2.0))
    assert prober.outcome("one") == (True, True)
    assert not prober.answered("one", (1, 2.0))
    prober.forget("one")
