"""What deployments did between two looks: counters that begin anew, instances that come, go, and say nothing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from penstock.gateway.base import Counts, ServerLoad, Tally
from penstock.online.history import Histories
from penstock.online.measuring import Measured, Snapshot, measured
from penstock.online.sums import Sums
from penstock.telemetry.series import Histogram, Spread, Window

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_tally(
    answered: int,
    *,
    process: str = "1",
    finishing: bool = False,
    servers: Mapping[str, ServerLoad] | None = None,
    **more: int,
) -> Tally:
    counts = {"refused": 0, "failed": 0, "waiting": 0} | more
    loads = {"i": ServerLoad(active=0, waiting=0, up=True)} if servers is None else servers
    deployments = {"e/d": Counts(answered=answered, servers=loads, **counts)}
    return Tally(process=process, finishing=finishing, deployments=deployments)


def some_sums(count: int, *, making: str = "m", at: float = 0.0, **more: float) -> Sums:
    values: dict[str, float] = {"cpu_seconds": 0.0, "memory_bytes": 50, "memory_limit_bytes": 100} | more
    return Sums(making=making, at=at, latency=Histogram({10: count}), **values)  # type: ignore[arg-type]


def after(seconds: float, *tallies: Tally, deaths: int = 0, **sums: Sums) -> Snapshot:
    at = NOON + timedelta(seconds=seconds)
    return Snapshot(at=at, tallies=tallies, sums=sums, deaths={"e/d": deaths}, cores=4)


def one(before: Snapshot, now: Snapshot) -> Window:
    [(name, found)] = measured(before, now).items()
    assert name == "e/d"
    return found.window


def test_a_window_is_what_the_counts_have_grown_by() -> None:
    servers = {
        "i": ServerLoad(active=2, waiting=1, up=True),
        "j": ServerLoad(active=1, waiting=0, up=False),
    }
    before = after(0, a_tally(100, refused=10, failed=1), i=some_sums(100, at=5.0, cpu_seconds=1.0))
    grown = some_sums(118, at=6.0, cpu_seconds=1.5)
    now = after(2, a_tally(120, refused=13, failed=3, waiting=4, servers=servers), deaths=2, i=grown)
    assert one(before, now) == Window(
        start=before.at,
        end=now.at,
        seconds=2.0,
        requests=20,
        refused=3,
        failed=2,
        latency=Histogram({10: 18}),
        queue_seconds=(4 + 1 + 1) * 2 / 20,
        concurrency=8.0,
        ready=1.0,
        restarts=2,
        cpu=Spread(0.5, 0.5, 0.5),
        memory=Spread(0.5, 0.5, 0.5),
        cores=4,
    )


def test_a_reload_begins_at_zero_and_the_process_before_counts_until_its_end() -> None:
    before = after(0, a_tally(100, failed=5))
    now = after(1, a_tally(7, process="2"), a_tally(103, failed=6, finishing=True))
    window = one(before, now)
    assert (window.requests, window.failed, window.ready) == (10, 1, 1.0)


def test_an_instance_that_started_anew_has_counted_from_zero() -> None:
    before = after(0, a_tally(0), i=some_sums(50))
    assert one(before, after(1, a_tally(0), i=some_sums(3, making="n"))).latency.total == 3


def test_a_new_instance_has_counted_from_zero_and_one_that_was_silent_tells_nothing_of_before() -> None:
    fresh = after(1, a_tally(0), i=some_sums(40))
    assert one(after(0, a_tally(0, servers={})), fresh).latency.total == 40
    assert one(after(0, a_tally(0)), fresh).latency.total == 0


def test_an_instance_that_has_not_written_anew_says_nothing_of_its_processor_time() -> None:
    same = some_sums(5, at=3.0, cpu_seconds=1.0)
    window = one(after(0, a_tally(0), i=same), after(1, a_tally(0), i=same))
    assert window.cpu is None
    assert window.memory == Spread(0.5, 0.5, 0.5)


def test_requests_in_an_instances_socket_wait_but_not_those_of_its_batch() -> None:
    busy = {"i": ServerLoad(active=6, waiting=0, up=True)}
    before = after(0, a_tally(0, servers=busy), i=some_sums(0))
    alone = after(1, a_tally(10, servers=busy), i=some_sums(10, run=10, runs=10.0))
    batches = after(1, a_tally(10, servers=busy), i=some_sums(10, run=10, runs=2.5))
    assert one(before, alone).queue_seconds == pytest.approx(0.5)
    assert one(before, batches).queue_seconds == pytest.approx(0.2)


@pytest.mark.parametrize("seconds", [-1, 0, 11])
def test_nothing_is_known_of_a_long_silence_or_of_a_clock_that_went_back(seconds: float) -> None:
    assert measured(after(0, a_tally(0)), after(seconds, a_tally(9))) == {}


def test_a_deployment_that_is_gone_has_no_window() -> None:
    gone = Tally(process="2", finishing=False, deployments={})
    assert measured(after(0, a_tally(0)), after(1, gone, a_tally(5, finishing=True))) == {}


def a_second(number: int, requests: int = 1, waited: float = 0.0) -> Measured:
    start = NOON + timedelta(seconds=number)
    window = Window(start=start, end=start + timedelta(seconds=1), seconds=1.0, requests=requests)
    return Measured(window, waited)


def test_an_hour_is_remembered_and_all_of_it_counts_however_it_is_kept() -> None:
    histories = Histories()
    for number in range(5000):
        histories.put({"e/d": a_second(number)}, NOON + timedelta(seconds=number + 1))
    end = NOON + timedelta(seconds=5000)
    whole = histories.window("e/d", end - timedelta(hours=1), end)
    assert (whole.seconds, whole.requests) == (3600, 3600)
    assert histories.window("e/d", end - timedelta(seconds=60), end).requests == 60
    assert histories.window("e/d", NOON, NOON + timedelta(seconds=1000)).seconds == 0
    assert histories.last_request_at("e/d") == end


def test_waiting_counts_also_in_seconds_in_which_nothing_was_answered() -> None:
    histories = Histories()
    for number, (requests, waited) in enumerate([(0, 2.0), (0, 2.0), (1, 2.0)]):
        histories.put({"e/d": a_second(number, requests, waited)}, NOON)
    assert histories.window("e/d", NOON, NOON + timedelta(seconds=3)).queue_seconds == 6.0


def test_who_has_not_been_seen_for_an_hour_is_forgotten() -> None:
    histories = Histories()
    histories.put({"e/d": a_second(0)}, NOON)
    histories.put({}, NOON + timedelta(minutes=59))
    assert histories.last_request_at("e/d") is not None
    histories.put({}, NOON + timedelta(minutes=61))
    assert histories.last_request_at("e/d") is None
