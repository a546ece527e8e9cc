"""Work in the background: once per key, failures remembered."""

import threading

import pytest

from penstock.domain.errors import PenstockError, failed, unavailable
from penstock.preparation.background import Background


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def work(clock):
    work: Background[str] = Background("test", clock=clock)
    yield work
    work.close()


def test_a_task_runs_once_and_hands_out_its_result(work):
    release, runs = threading.Event(), []

    def task() -> str:
        runs.append(1)
        release.wait(10)
        return "done"

    assert work.outcome("a", task) is None
    assert work.outcome("a", task) is None
    release.set()
    assert work.outcome("a", task, patience=10) == "done"
    assert len(runs) == 1


def test_a_failure_is_remembered_until_it_is_to_be_tried_again(work):
    assert isinstance(work.outcome("a", fails(failed("no")), patience=10), PenstockError)
    assert isinstance(work.outcome("a", lambda: "fine", patience=10), PenstockError)
    work.retry("a")
    assert work.outcome("a", lambda: "fine", patience=10) == "fine"


def test_what_was_unavailable_is_tried_again_after_a_pause_that_grows(work, clock):
    for pause in (1, 2, 4):
        assert isinstance(work.outcome("a", fails(unavailable("later")), patience=10), PenstockError)
        clock.now += pause - 0.5
        assert isinstance(work.outcome("a", lambda: "fine", patience=10), PenstockError)
        clock.now += 0.5
    assert work.outcome("a", lambda: "fine", patience=10) == "fine"


def test_the_caller_is_told_when_it_has_ended(work):
    ended = threading.Event()
    work.outcome("a", lambda: "fine", ended.set)
    assert ended.wait(10)


def fails(error: PenstockError):
    def task() -> str:
        raise error

    return task
