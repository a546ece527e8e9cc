"""The background part that compares shadows: a fault stays with its endpoint, and what is gone is forgotten."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from penstock.control.resources import Resources
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import PenstockError
from penstock.online.shadow import Shadows
from penstock.store.sql import open_store
from penstock.telemetry.tape import Exchange
from penstock.testing.clock import ManualClock
from penstock.testing.gateway import FakeGateway
from penstock.testing.tapes import RecordedTapes
from penstock.testing.windows import RecordedWindows

SPEC = OnlineEndpoint(traffic={"blue": 100}, mirror_traffic={"green": 100})


class Tapes(RecordedTapes):
    """Those of endpoint `bad` cannot be read."""

    def exchanges(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Exchange]:
        if endpoint == "bad":
            raise OSError("no tape")
        return super().exchanges(endpoint, deployment, since)


class World:
    def __init__(self, resources: Resources, clock: ManualClock) -> None:
        self.resources = resources
        self.clock = clock
        self.tapes = Tapes(clock.now)
        self.shadows = Shadows(resources, RecordedWindows(), self.tapes, FakeGateway(), clock, lambda: True)

    def answer(self, endpoint: str) -> None:
        """A request and its copy, both answered."""
        for deployment in ("blue", "green"):
            exchange = Exchange(
                instance="i",
                request_id="r",
                at=self.clock.now(),
                seconds=0.01,
                status=200,
                content_type="application/json",
                request=b"{}",
                answer=b"[1]",
            )
            self.tapes.put(f"{endpoint}/{deployment}", exchange)

    def pairs(self, endpoint: str) -> int:
        return self.shadows.report(endpoint, "blue", "green", self.clock.now() - timedelta(minutes=5)).pairs


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    clock = ManualClock()
    store = open_store(f"sqlite:///{tmp_path / 'p.db'}")
    yield World(Resources(store, clock, lambda _: None), clock)
    store.close()


def test_an_endpoint_whose_tapes_cannot_be_read_keeps_no_other_from_being_compared(world: World) -> None:
    for name in ("bad", "good"):
        world.resources.apply(ONLINE_ENDPOINT, name, SPEC, actor="ann")
    world.shadows.step()
    world.answer("good")
    world.shadows.step()

    assert world.pairs("good") == 1


def test_an_endpoint_that_is_made_anew_has_nothing_of_the_one_before(world: World) -> None:
    made, _ = world.resources.apply(ONLINE_ENDPOINT, "good", SPEC, actor="ann")
    world.shadows.step()
    world.answer("good")
    world.shadows.step()
    assert world.pairs("good") == 1

    world.resources.remove(ONLINE_ENDPOINT, made)
    world.shadows.step()
    world.resources.apply(ONLINE_ENDPOINT, "good", OnlineEndpoint(traffic={"blue": 100}), actor="ann")

    assert world.pairs("good") == 0
    with pytest.raises(PenstockError, match="no mirror traffic"):
        world.shadows.chosen("good", None, None)
