"""A background thread that outlives its failures and ends when told."""

import threading
from datetime import timedelta

import pytest

from penstock.control.loop import Loop


def test_a_step_that_fails_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    third = threading.Event()
    outcomes = iter([ZeroDivisionError, None])

    def step() -> timedelta:
        fault = next(outcomes, third.set)
        if fault is ZeroDivisionError:
            raise ZeroDivisionError
        if fault is not None:
            fault()
        return timedelta()

    loop = Loop("probe", step, pause=timedelta())
    loop.start()
    assert third.wait(10)
    assert loop.stop(timedelta(seconds=10))
    assert "ZeroDivisionError" in caplog.text


def test_a_loop_that_was_never_started_can_be_stopped() -> None:
    assert Loop("idle", timedelta).stop(timedelta())
