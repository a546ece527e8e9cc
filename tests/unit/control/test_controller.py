"""What becomes of a key: reconciled, looked at again, backed off, or dropped."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from penstock.control.clock import SystemClock
from penstock.control.controller import Controller
from penstock.control.workqueue import FIRST_BACKOFF
from penstock.domain.resource import Key
from penstock.testing.clock import ManualClock

A, B = Key("online-endpoint", "a"), Key("online-endpoint", "b")
SECOND = timedelta(seconds=1)


class Recorder:
    """A reconciler that notes its keys and then does as told."""

    def __init__(self, act: Callable[[Key], timedelta | None] = lambda _: None) -> None:
        self.seen: list[Key] = []
        self._act = act

    def reconcile(self, key: Key) -> timedelta | None:
        self.seen.append(key)
        return self._act(key)


def a_controller(
    recorder: Recorder, clock: ManualClock, *, acting: Callable[[], bool] = lambda: True, keys: Sequence[Key] = ()
) -> Controller:
    return Controller({"online-endpoint": recorder}, clock, acting=acting, all_keys=lambda: keys)


def steps(controller: Controller) -> list[Key]:
    return list(iter(controller.step, None))


def test_a_key_goes_to_the_reconciler_of_its_kind_and_others_to_nobody() -> None:
    recorder = Recorder()
    controller = a_controller(recorder, ManualClock())
    controller.enqueue(A)
    controller.enqueue(Key("environment", "a"))
    assert steps(controller) == recorder.seen == [A]


def test_a_resource_is_looked_at_again_when_its_reconciler_said_so() -> None:
    clock = ManualClock()
    recorder = Recorder(lambda _: 5 * SECOND)
    controller = a_controller(recorder, clock)
    controller.enqueue(A)
    assert steps(controller) == [A]
    clock.advance(4 * SECOND)
    assert steps(controller) == []
    clock.advance(SECOND)
    assert steps(controller) == [A]


def test_a_fault_in_one_resource_does_not_stop_the_others_and_is_tried_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    broken = [A]

    def fail(key: Key) -> None:
        if key in broken:
            raise ZeroDivisionError("in the model")

    recorder = Recorder(fail)
    controller = a_controller(recorder, clock)
    controller.enqueue(A)
    controller.enqueue(B)
    assert steps(controller) == [A, B]
    assert "ZeroDivisionError" in caplog.text
    clock.advance(FIRST_BACKOFF)
    assert steps(controller) == [A]
    clock.advance(FIRST_BACKOFF)
    assert steps(controller) == []
    broken.clear()
    clock.advance(SECOND)
    assert steps(controller) == [A]
    clock.advance(60 * SECOND)
    assert steps(controller) == []


def test_nothing_is_reconciled_without_the_lease_and_everything_once_it_is_won() -> None:
    acting: list[bool] = []
    recorder = Recorder()
    controller = a_controller(recorder, ManualClock(), acting=lambda: bool(acting), keys=[A, B])
    controller.enqueue(A)
    assert steps(controller) == [A]
    assert recorder.seen == []
    acting.append(True)
    controller.enqueue_all()
    assert steps(controller) == recorder.seen == [A, B]


def test_stopping_waits_for_what_is_going_on_and_no_longer_than_allowed() -> None:
    begun, release = threading.Event(), threading.Event()

    def hang(_: Key) -> None:
        begun.set()
        release.wait(20)

    recorder = Recorder(hang)
    controller = Controller({"online-endpoint": recorder}, SystemClock(), acting=lambda: True, all_keys=lambda: [A])
    controller.start()
    controller.enqueue_all()
    assert begun.wait(10)
    assert not controller.stop(timedelta())
    release.set()
    assert controller.stop(10 * SECOND)
    controller.enqueue(B)
    assert recorder.seen == [A]
