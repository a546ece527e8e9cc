"""Shadow reports over a real store: what is compared, what is forgotten, and what one bad tape does to the others."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from penstock.control.resources import Resources
from penstock.domain.endpoint import ONLINE_ENDPOINT, OnlineEndpoint
from penstock.domain.errors import Code, PenstockError
from penstock.gateway.base import Copies
from penstock.online.shadow import Shadows
from penstock.store.sql import open_store
from penstock.telemetry.tape import Exchange
from penstock.testing.clock import ManualClock
from penstock.testing.gateway import FakeGateway
from penstock.testing.tapes import RecordedTapes
from penstock.testing.windows import RecordedWindows


class TornTapes(RecordedTapes):
    """Those of the endpoint `torn` cannot be read."""

    def exchanges(self, endpoint: str, deployment: str, since: datetime) -> Sequence[Exchange]:
        if endpoint == "torn":
            raise OverflowError("torn")
        return super().exchanges(endpoint, deployment, since)


class Theatre:
    """Endpoints `torn` and `wine`, each with `blue` live and `green` and `red` as its shadows."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.gateway = ManualClock(), FakeGateway()
        self.gateway.start()
        self.tapes = TornTapes(self.clock.now)
        self.store = open_store(f"sqlite:///{folder / 'store.db'}")
        self.resources = Resources(self.store, self.clock, lambda _: None)
        for name in ("torn", "wine"):
            self.mirror(name, {"green": 100, "red": 10})
        self.shadows = Shadows(
            self.resources, RecordedWindows(), self.tapes, self.gateway, self.clock, acting=lambda: True
        )
        self.shadows.step()

    def mirror(self, endpoint: str, mirror: dict[str, int]) -> None:
        spec = OnlineEndpoint(name=endpoint, traffic={"blue": 100}, mirror_traffic=mirror)
        self.resources.apply(ONLINE_ENDPOINT, endpoint, spec, actor="test")

    def answered(self, deployment: str, request_id: str, answer: bytes) -> None:
        exchange = Exchange(
            instance=deployment,
            request_id=request_id,
            at=self.clock.now(),
            seconds=0.01,
            status=200,
            content_type="application/json",
            request=b"{}",
            answer=answer,
        )
        self.tapes.put(f"wine/{deployment}", exchange)


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Theatre]:
    made = Theatre(tmp_path)
    yield made
    made.store.close()


def test_each_shadow_is_reported_though_a_tape_of_another_endpoint_is_torn(theatre: Theatre) -> None:
    begin = theatre.clock.now()
    theatre.gateway.copied = {"wine/green": Copies(sent=4, dropped=1)}
    for number in range(4):
        theatre.clock.advance(timedelta(seconds=1))
        theatre.answered("blue", f"id{number}", b"[1, 2]")
        theatre.answered("green", f"id{number}", b"[1, 2]" if number else b"[1, 3]")
    theatre.answered("red", "id2", b"[1, 2]")
    theatre.shadows.step()
    green, red = (theatre.shadows.report("wine", "blue", shadow, begin) for shadow in ("green", "red"))
    assert (green.pairs, green.rows, green.agreement) == (4, 8, 7 / 8)
    assert [(each.request_id, each.row) for each in green.examples] == [("id0", 1)]
    assert (green.sent, green.dropped) == (4, 1)
    assert (red.pairs, red.agreement, red.examples) == (1, 1.0, ())
    assert theatre.shadows.report("torn", "blue", "green", begin).agreement is None


def test_what_is_mirrored_no_more_is_told_for_an_hour_and_then_forgotten(theatre: Theatre) -> None:
    theatre.mirror("wine", {})
    theatre.clock.advance(timedelta(minutes=50))
    theatre.shadows.step()
    assert theatre.shadows.chosen("wine", None, "green") == ("blue", "green")
    theatre.clock.advance(timedelta(minutes=11))
    theatre.shadows.step()
    with pytest.raises(PenstockError) as caught:
        theatre.shadows.chosen("wine", None, "green")
    assert caught.value.code is Code.NOT_FOUND
