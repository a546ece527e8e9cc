"""When a leader that is silent is taken for one that hangs."""

from datetime import UTC, datetime, timedelta

import pytest

from penstock.control.succession import PATIENCE, STARTING, Silence, hangs, silence
from penstock.store.base import Lease

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def a_lease(holder: str = "us", *, expires_in: float = -1.0) -> Lease:
    return Lease(holder=holder, expires_at=NOW + timedelta(seconds=expires_in))


def look(lease: Lease | None, before: Silence | None, monotonic: float) -> Silence | None:
    return silence(lease, "us", before, now=NOW, monotonic=monotonic)


@pytest.mark.parametrize(
    "lease",
    [
        pytest.param(a_lease(expires_in=1), id="a leader that renews its lease is well"),
        pytest.param(a_lease("others"), id="what another home does says nothing of our leader"),
    ],
)
def test_nothing_is_silent(lease: Lease) -> None:
    assert look(lease, Silence(lease=a_lease(), since=0.0), 100.0) is None


def test_an_expired_lease_must_stay_as_it_is_for_a_while() -> None:
    first = look(a_lease(), None, 10.0)
    later = look(a_lease(), first, 10.0 + PATIENCE.total_seconds())
    assert not hangs(first, monotonic=10.0)
    assert hangs(later, monotonic=10.0 + PATIENCE.total_seconds())


def test_a_leader_that_has_renewed_meanwhile_gets_its_patience_anew() -> None:
    first = look(a_lease(), None, 10.0)
    renewed = look(a_lease(expires_in=-0.5), first, 20.0)
    assert not hangs(renewed, monotonic=20.0)


def test_one_without_a_lease_is_starting_and_gets_a_minute() -> None:
    first = look(None, None, 0.0)
    assert not hangs(first, monotonic=STARTING.total_seconds() - 1)
    assert hangs(first, monotonic=STARTING.total_seconds())
