"""The queue against a model of it: never one key in two hands, nothing lost, nothing early."""

import threading
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.control.clock import SystemClock
from penstock.control.workqueue import FIRST_BACKOFF, LONGEST_BACKOFF, WorkQueue
from penstock.domain.resource import Key
from penstock.testing.clock import ManualClock

A, B = Key("online-endpoint", "a"), Key("online-endpoint", "b")
SECOND = timedelta(seconds=1)
keys = st.sampled_from([Key("online-endpoint", name) for name in "abcd"])


class QueueMachine(RuleBasedStateMachine):
    """`owed` holds, for each key, the moment from which somebody must get to see it."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.queue = WorkQueue(self.clock)
        self.owed: dict[Key, float] = {}
        self.taken: set[Key] = set()
        self.failures: dict[Key, int] = {}

    def owe(self, key: Key, delay: timedelta = timedelta()) -> None:
        due = self.clock.monotonic() + delay.total_seconds()
        self.owed[key] = min(due, self.owed.get(key, due))

    @rule(key=keys)
    def add(self, key: Key) -> None:
        self.queue.add(key)
        self.owe(key)

    @rule(key=keys, seconds=st.integers(0, 60))
    def add_after(self, key: Key, seconds: int) -> None:
        self.queue.add_after(key, timedelta(seconds=seconds))
        self.owe(key, timedelta(seconds=seconds))

    @rule(key=keys)
    def add_backoff(self, key: Key) -> None:
        delay = self.queue.add_backoff(key)
        failures = self.failures.get(key, 0)
        assert delay == min(FIRST_BACKOFF * 2**failures, LONGEST_BACKOFF)
        self.failures[key] = failures + 1
        self.owe(key, delay)

    @rule(key=keys)
    def forget_failures(self, key: Key) -> None:
        self.queue.forget_failures(key)
        self.failures.pop(key, None)

    @rule(seconds=st.integers(0, 40))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule()
    def take(self) -> None:
        key = self.queue.take()
        due = {k for k, moment in self.owed.items() if moment <= self.clock.monotonic() and k not in self.taken}
        if key is None:
            assert not due
            return
        assert key not in self.taken
        assert key in due
        self.taken.add(key)
        # One look settles what was due by now; what is due later is owed still.
        del self.owed[key]
        later = self.queue._later.get(key)
        if later is not None:
            self.owed[key] = later

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.taken)))
        self.queue.done(key)
        self.taken.discard(key)

    @invariant()
    def no_key_is_ready_while_it_is_taken(self) -> None:
        assert self.taken.isdisjoint(self.queue._ready)

    def teardown(self) -> None:
        """In the end everything that is owed is handed out once more."""
        for key in self.taken:
            self.queue.done(key)
        self.clock.advance(timedelta(hours=1))
        seen: set[Key] = set()
        while (key := self.queue.take()) is not None:
            assert key not in seen
            seen.add(key)
        assert seen == set(self.owed)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_key_added_twice_is_handed_out_once_and_in_the_order_of_arrival() -> None:
    queue = WorkQueue(ManualClock())
    for key in (A, B, A):
        queue.add(key)
    assert [queue.take(), queue.take(), queue.take()] == [A, B, None]


def test_a_key_added_while_it_is_worked_on_comes_again_once_it_is_done() -> None:
    queue = WorkQueue(ManualClock())
    queue.add(A)
    assert queue.take() == A
    queue.add(A)
    assert queue.take() is None
    queue.done(A)
    assert queue.take() == A


def test_a_later_key_waits_for_the_earliest_of_its_moments() -> None:
    clock = ManualClock()
    queue = WorkQueue(clock)
    for seconds in (5, 2, 9):
        queue.add_after(A, seconds * SECOND)
    clock.advance(1.9 * SECOND)
    assert queue.take() is None
    clock.advance(0.1 * SECOND)
    assert queue.take() == A
    queue.done(A)
    clock.advance(60 * SECOND)
    assert queue.take() is None


def test_backoff_doubles_up_to_its_bound_and_begins_anew_once_forgotten() -> None:
    queue = WorkQueue(ManualClock())
    delays = [queue.add_backoff(A) for _ in range(2000)]
    assert delays[:3] == [FIRST_BACKOFF, FIRST_BACKOFF * 2, FIRST_BACKOFF * 4]
    assert delays[-1] == LONGEST_BACKOFF
    assert queue.add_backoff(B) == FIRST_BACKOFF
    queue.forget_failures(A)
    assert queue.add_backoff(A) == FIRST_BACKOFF


def test_shutting_down_wakes_those_who_wait_and_hands_out_nothing_more() -> None:
    queue = WorkQueue(SystemClock())
    got: list[Key | None] = []
    waiting = [threading.Thread(target=lambda: got.append(queue.get())) for _ in range(3)]
    for thread in waiting:
        thread.start()
    queue.shut_down()
    for thread in waiting:
        thread.join(10)
    queue.add(A)
    queue.add_after(A, timedelta())
    assert got == [None] * 3
    assert queue.get() is queue.take() is None


class Crew:
    """Workers that look at each key's newest number, and note when two of them hold one key at once."""

    def __init__(self, queue: WorkQueue, everything: list[Key], last: int) -> None:
        self.queue, self.last = queue, last
        self.written = dict.fromkeys(everything, 0)
        self.seen = dict.fromkeys(everything, 0)
        self.holding: set[Key] = set()
        self.clashes: list[Key] = []
        self.finished = threading.Event()

    def work(self) -> None:
        while (key := self.queue.get()) is not None:
            if key in self.holding:
                self.clashes.append(key)
            self.holding.add(key)
            self.seen[key] = self.written[key]
            self.holding.discard(key)
            self.queue.done(key)
            if set(self.seen.values()) == {self.last}:
                self.finished.set()


def test_many_workers_never_hold_one_key_at_once_and_see_every_last_add() -> None:
    queue = WorkQueue(SystemClock())
    crew = Crew(queue, [Key("online-endpoint", str(number)) for number in range(5)], last=400)
    workers = [threading.Thread(target=crew.work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for number in range(1, 401):
        for key in crew.written:
            crew.written[key] = number
            queue.add(key)
    finished = crew.finished.wait(20)
    queue.shut_down()
    for worker in workers:
        worker.join(10)
    assert finished
    assert crew.clashes == []
