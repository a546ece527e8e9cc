"""Who leads, and since when: decided by the lease and a clock that the tests move."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.control.lease import DURATION, Leadership
from penstock.domain.errors import PenstockError, unavailable
from penstock.store.sql import SqlStore, open_store
from penstock.testing.clock import ManualClock


class Gains:
    """What to do on gaining the lead: count, or fail as told."""

    def __init__(self) -> None:
        self.count = 0
        self.failing = False

    def __call__(self) -> None:
        if self.failing:
            raise unavailable("the list of resources cannot be read")
        self.count += 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as opened:
        yield opened


def test_one_of_two_leads_and_the_other_takes_over_when_it_is_silent(store: SqlStore) -> None:
    clock, gains, others = ManualClock(), Gains(), Gains()
    first, second = Leadership(store, clock, "one", gains), Leadership(store, clock, "two", others)
    assert not first.held
    again = first.step()
    second.step()
    assert (first.held, gains.count, second.held, others.count) == (True, 1, False, 0)
    for _ in range(10):
        clock.advance(again)
        first.step()
        second.step()
    assert (first.held, gains.count, second.held) == (True, 1, False)
    clock.advance(DURATION)
    assert not first.held  # by itself, before anybody else can lead
    second.step()
    first.step()
    assert (first.held, second.held, others.count) == (False, True, 1)


def test_a_restart_under_the_same_identity_leads_at_once_and_another_does_not(store: SqlStore) -> None:
    clock = ManualClock()
    Leadership(store, clock, "one", Gains()).step()
    other, restarted = Leadership(store, clock, "two", Gains()), Leadership(store, clock, "one", Gains())
    other.step()
    restarted.step()
    assert (other.held, restarted.held) == (False, True)


def test_giving_the_lease_back_lets_another_lead_at_once(store: SqlStore) -> None:
    clock = ManualClock()
    first, second = Leadership(store, clock, "one", Gains()), Leadership(store, clock, "two", Gains())
    first.step()
    assert first.stop(timedelta(seconds=1))
    second.step()
    assert (first.held, second.held) == (False, True)


def test_winning_a_lapsed_lease_back_is_gaining_it_for_work_was_dropped_meanwhile(store: SqlStore) -> None:
    clock, gains = ManualClock(), Gains()
    leadership = Leadership(store, clock, "one", gains)
    leadership.step()
    clock.advance(DURATION)
    assert not leadership.held
    leadership.step()
    assert (leadership.held, gains.count) == (True, 2)


def test_a_gain_that_fails_is_repeated(store: SqlStore) -> None:
    gains = Gains()
    leadership = Leadership(store, ManualClock(), "one", gains)
    gains.failing = True
    with pytest.raises(PenstockError):
        leadership.step()
    gains.failing = False
    leadership.step()
    leadership.step()
    assert (leadership.held, gains.count) == (True, 1)
