"""What every `Windows` promises: the platform's meter, and the fake that tests are given."""

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from struct import pack
from typing import Protocol
from zlib import crc32

import pytest
from support.gateway import a_backend, a_table

from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.events import Event
from penstock.domain.instance import InstanceName
from penstock.gateway.base import Counts, ServerLoad
from penstock.gateway.table import Server
from penstock.online.meter import Meter
from penstock.online.places import Places
from penstock.telemetry.series import Histogram, Spread, Window, Windows, bucket_of
from penstock.testing.clock import ManualClock
from penstock.testing.gateway import FakeGateway
from penstock.testing.windows import RecordedWindows
from penstock_worker.counters import Counters
from penstock_worker.measures import Measures
from penstock_worker.stages import Stages

NAME = InstanceName("fraud", "blue", "r1", 0)
SECOND = timedelta(seconds=1)


class World(Protocol):
    """A deployment, fraud/blue, with one instance, that does in each second what the test says."""

    windows: Windows
    clock: ManualClock

    def second(self, latencies: Mapping[float, int], *, failed: int = 0, active: int = 0) -> None: ...
    def unmeasured_second(self) -> None: ...


class Recorded:
    """Whoever tests with the fake puts in what was."""

    def __init__(self, _: Path) -> None:
        self.windows = RecordedWindows()
        self.clock = ManualClock()

    def second(self, latencies: Mapping[float, int], *, failed: int = 0, active: int = 0) -> None:
        start = self.clock.now()
        self.clock.advance(SECOND)
        window = Window(
            start=start,
            end=self.clock.now(),
            seconds=1.0,
            requests=sum(latencies.values()) + failed,
            failed=failed,
            latency=Histogram({bucket_of(seconds): count for seconds, count in latencies.items()}),
            concurrency=active,
            ready=1,
            memory=Spread(0.5, 0.5, 0.5),
        )
        self.windows.put("fraud/blue", window)

    def unmeasured_second(self) -> None:
        self.clock.advance(SECOND)


class Metered:
    """A gateway that has counted and an instance that has written what it did."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.gateway = FakeGateway()
        self.gateway.start()
        server = Server(name=str(NAME), address=str(folder / "i.sock"))
        self.gateway.apply(a_table(a_backend("blue", server)))
        places = Places(run=folder, logs=folder, collected=folder)
        self._stages = Stages()
        limit = 2**62  # of memory: more than there is
        self._place = Measures(places.measures(NAME), memory_bytes=limit).place(0, self._stages, Counters())
        self._place.write()
        self._counts = Counts(answered=0, refused=0, failed=0, waiting=0, servers={})
        self.windows = self.meter = Meter(self.gateway, places, self.clock)
        self.meter.step()

    def second(self, latencies: Mapping[float, int], *, failed: int = 0, active: int = 0) -> None:
        for seconds, count in latencies.items():
            for _ in range(count):
                self._stages.note_other(200, seconds)
        self._place.write()
        more = sum(latencies.values()) + failed
        self._counts = replace(
            self._counts,
            answered=self._counts.answered + more,
            failed=self._counts.failed + failed,
            servers={str(NAME): ServerLoad(active=active, waiting=0, up=True)},
        )
        self.gateway.counts["fraud/blue"] = self._counts
        self.clock.advance(SECOND)
        self.meter.step()

    def unmeasured_second(self) -> None:
        """The gateway is being started anew, which takes a while."""
        self.gateway.kill()
        self.clock.advance(SECOND)
        self.meter.step()
        self.gateway.start()


@pytest.fixture(params=[Metered, Recorded], ids=["meter", "fake"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    make: Callable[[Path], World] = request.param
    return make(tmp_path)


def last(world: World, seconds: float, deployment: str = "fraud/blue") -> Window:
    now = world.clock.now()
    return world.windows.window(deployment, now - timedelta(seconds=seconds), now)


def test_a_window_has_what_the_seconds_in_it_had(world: World) -> None:
    world.second({0.01: 90}, failed=10, active=2)
    world.second({0.1: 50}, active=4)
    window = last(world, 2)
    assert (window.seconds, window.requests, window.failed, window.refused) == (2, 150, 10, 0)
    assert (window.concurrency, window.ready, window.restarts) == (3, 1, 0)
    assert window.latency == Histogram({bucket_of(0.01): 90, bucket_of(0.1): 50})
    assert window.memory is not None
    assert 0 < window.memory.mean < 1
    assert last(world, 1).requests == 50


def test_a_second_counts_where_it_ended_so_that_spans_in_a_row_have_each_once(world: World) -> None:
    world.second({0.01: 1})
    world.second({0.01: 2})
    now = world.clock.now()
    found = world.windows.window("fraud/blue", now - 1.5 * SECOND, now)
    assert (found.start, found.end, found.seconds, found.requests) == (now - 1.5 * SECOND, now, 2, 3)
    spans = [now - 2 * SECOND, now - 1.3 * SECOND, now - SECOND / 2, now]
    assert [world.windows.window("fraud/blue", *span).requests for span in pairwise(spans)] == [0, 1, 2]


def test_of_what_was_not_measured_nothing_is_known(world: World) -> None:
    assert last(world, 60) == Window(start=world.clock.now() - 60 * SECOND, end=world.clock.now())
    world.second({0.01: 1})
    assert last(world, 60, "fraud/green").seconds == 0
    assert last(world, 60, "").seconds == 0
    assert last(world, -60).seconds == 0
    for _ in range(11):
        world.unmeasured_second()
    assert last(world, 11).seconds == 0
    assert last(world, 60).seconds == 1


def test_any_cut_into_parts_has_all_requests_once(world: World) -> None:
    chance = random.Random(5)
    start: datetime = world.clock.now()
    sent = [chance.randrange(20) for _ in range(60)]
    for count in sent:
        world.second({0.01: count})
    cuts = sorted({0, 60, *(chance.randrange(60) for _ in range(6))})
    parts = [world.windows.window("fraud/blue", start + a * SECOND, start + b * SECOND) for a, b in pairwise(cuts)]
    assert [part.requests for part in parts] == [sum(sent[a:b]) for a, b in pairwise(cuts)]
    assert sum(part.latency.total for part in parts) == sum(sent)


def an_event(reason: str) -> Event:
    at = ManualClock().now()
    return Event(at=at, kind=ONLINE_DEPLOYMENT.name, name="fraud/blue", reason=reason, message="", actor="penstock")


def test_a_short_silence_of_the_gateway_loses_nothing_and_a_long_one_is_a_gap(tmp_path: Path) -> None:
    world = Metered(tmp_path)
    world.second({0.01: 1})
    world.unmeasured_second()
    world.second({0.01: 5})
    assert (last(world, 2).seconds, last(world, 2).requests) == (2, 5)
    for _ in range(11):
        world.unmeasured_second()
    world.second({0.01: 7})
    assert (last(world, 12).seconds, last(world, 12).requests) == (0, 0)
    world.second({0.01: 2})
    assert (last(world, 12).seconds, last(world, 12).requests) == (1, 2)


def test_deaths_of_instances_are_counted_whoever_has_seen_them(tmp_path: Path) -> None:
    world = Metered(tmp_path)
    for reason in ("InstanceDied", "InstanceStarted", "InstanceDied"):
        world.meter.note(an_event(reason))
    world.second({})
    world.second({})
    assert (last(world, 2).restarts, last(world, 1).restarts) == (2, 0)


def test_nonsense_where_an_instance_writes_is_no_measure(tmp_path: Path) -> None:
    """It runs its users' code, which may write there."""
    world = Metered(tmp_path)
    path = Places(run=tmp_path, logs=tmp_path, collected=tmp_path).measures(NAME)
    for content in (b"", b"\0" * 100, b"\xff" * 70_000, _place(b'{"making": 1}'), _place(b"[" * 50_000), _place(b"{")):
        path.write_bytes(content)
        world.clock.advance(SECOND)
        world.meter.step()
        assert (last(world, 1).seconds, last(world, 1).latency.total) == (1, 0)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    world.clock.advance(SECOND)
    world.meter.step()
    assert last(world, 1).seconds == 1


def _place(text: bytes) -> bytes:
    return pack("<II", len(text), crc32(text)) + text
