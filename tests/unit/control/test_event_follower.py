"""Every event from the start on, in order, and again until it was taken."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.control.events import EventFollower
from penstock.domain.events import Event
from penstock.store.sql import SqlStore, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as opened:
        yield opened


def happened(name: str) -> Event:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    return Event(at=now, kind="online-endpoint", name=name, reason="Created", message="it was", actor="alice")


def test_events_from_the_start_on_come_once_and_in_order(store: SqlStore) -> None:
    store.record(happened("before"))
    seen: list[str] = []
    follower = EventFollower(store, lambda event: seen.append(event.name))
    follower.step()
    for name in ("a", "b", "c"):
        store.record(happened(name))
    follower.step()
    follower.step()
    assert seen == ["a", "b", "c"]


def test_an_event_that_was_not_taken_comes_again_before_the_later_ones(store: SqlStore) -> None:
    seen: list[str] = []
    failing = ["b"]

    def take(event: Event) -> None:
        if event.name in failing:
            raise ZeroDivisionError
        seen.append(event.name)

    follower = EventFollower(store, take)
    follower.step()
    for name in ("a", "b", "c"):
        store.record(happened(name))
    with pytest.raises(ZeroDivisionError):
        follower.step()
    failing.clear()
    follower.step()
    assert seen == ["a", "b", "c"]
