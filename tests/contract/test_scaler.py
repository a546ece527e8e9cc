"""The scaler on a real store, with the instances and their load in the test's hand."""

from collections.abc import Generator
from datetime import datetime
from pathlib import Path

import pytest
from support.deploying import Bench

from penstock.domain.autoscale import AUTOSCALE, Autoscale
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.scale import SCALE
from penstock.online.scaler import Scaler
from penstock.telemetry.series import Window
from penstock.testing.windows import RecordedWindows


class BrokenWindows(RecordedWindows):
    """Cannot tell of one deployment."""

    def window(self, deployment: str, start: datetime, end: datetime) -> Window:
        if deployment == "fraud/blue":
            raise ZeroDivisionError("what nobody has thought of")
        return super().window(deployment, start, end)


@pytest.fixture
def bench(tmp_path: Path) -> Generator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_one_autoscale_that_cannot_be_decided_keeps_none_of_the_others_waiting(bench: Bench) -> None:
    bench.apply()
    resources = bench.resources
    resources.apply(ONLINE_DEPLOYMENT, "fraud/green", bench.shown().spec, actor="test")
    for name in ("fraud/blue", "fraud/green"):
        resources.apply(AUTOSCALE, name, Autoscale(min=2, max=3), actor="test")
    scaler = Scaler(resources, bench.fleet, bench.gateway, BrokenWindows(), bench.clock, lambda: True)
    scaler.step()
    assert {scale.name: scale.spec.instances for scale in resources.list(SCALE)} == {"fraud/green": 2}
