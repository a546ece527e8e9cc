"""What the real gateway does with requests for a deployment that is asleep: hold, let go, refuse, and lose none."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.gateway import a_backend, eventually
from support.instances import Answer
from support.site import Site, a_site

from penstock.gateway.drain import drain
from penstock.gateway.table import Backend, Hold

LARGE = 300 * 1024  # many times the buffer
HELD = "fraud/blue"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as made:
        yield made


def asleep(*, seconds: float = 300, most: int = 100, **changes: object) -> Backend:
    hold = Hold(time=timedelta(seconds=seconds), requests=most)
    return a_backend("blue", hold=hold, asleep=True, **changes)  # type: ignore[arg-type]


def ask(site: Site, pool: ThreadPoolExecutor, body: bytes, count: int = 1, **headers: str) -> list[Future[Answer]]:
    """Ask from so many callers, and return when all that were asked so far are held."""
    before = site.gateway.held().get(HELD, 0)
    asked = [pool.submit(site.score, body, **headers) for _ in range(count)]
    assert eventually(lambda: site.gateway.held().get(HELD, 0), lambda held: held >= before + count) == before + count
    return asked


def wake(site: Site, backend: Backend) -> None:
    site.apply(replace(site.backend("blue", hold=backend.hold, concurrency=2), asleep=False))


def test_callers_small_and_large_are_held_and_answered_also_if_the_gateway_reloads_meanwhile(
    site: Site, pool: ThreadPoolExecutor
) -> None:
    backend = asleep()
    site.apply(backend)
    asked = ask(site, pool, b"x" * 1000, 20) + ask(site, pool, b"x" * LARGE, 3)
    assert site.apply(backend, site.backend("green")).reloaded
    assert eventually(lambda: site.gateway.held()[HELD], lambda held: held == 23) == 23
    asked += ask(site, pool, b"x" * LARGE)
    wake(site, backend)
    answers = [future.result() for future in asked]
    assert {(answer.status, answer.name) for answer in answers} == {(200, "blue0")}
    assert all(answer.headers["azureml-model-deployment"] == "blue" for answer in answers)
    assert all(answer.headers["x-request-id"] for answer in answers)
    assert sorted(len(body) for _, _, body in site.instances["blue0"].seen) == [1000] * 20 + [LARGE] * 4
    assert site.score().status == 200


def test_the_reason_why_none_can_start_is_told_at_once_to_who_waits_and_who_comes(
    site: Site, pool: ThreadPoolExecutor
) -> None:
    site.apply(asleep())
    waiting = ask(site, pool, b"{}")[0]
    site.apply(asleep(failure='init() failed: "no" such\nfile \\ 100 %'))
    for answer in (waiting.result(), site.score()):
        assert (answer.status, answer.code) == (503, "InstanceCannotStart")
        assert b"deployment 'fraud/blue' cannot start: init() failed: \\u0022no\\u0022 such\\u000afile" in answer.body
        assert answer.headers["retry-after"] == "30"


def test_who_is_held_when_the_platform_ends_is_told_at_once(site: Site, pool: ThreadPoolExecutor) -> None:
    site.apply(asleep())
    waiting = ask(site, pool, b"{}", 3) + ask(site, pool, b"x" * LARGE)
    drain(str(site.home), site.sockets, time.monotonic() + 300, lambda: False)
    for future in waiting:
        answer = future.result()
        assert (answer.status, answer.code) == (503, "PlatformEnding")
        assert (answer.headers["retry-after"], answer.headers["connection"]) == ("5", "close")


def test_too_many_are_refused_and_none_waits_for_ever(site: Site, pool: ThreadPoolExecutor) -> None:
    backend = asleep(most=3)
    site.apply(backend)
    waiting = ask(site, pool, b"{}", 3)
    refused = site.score()
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "TooManyRequests", "5")
    wake(site, backend)
    assert {held.result().status for held in waiting} == {200}
    site.apply(asleep(seconds=0.5))
    answer = site.score()
    assert (answer.status, answer.code) == (503, "InstanceNotReady")


def test_a_copy_for_a_mirror_wakes_nobody(site: Site) -> None:
    site.apply(site.backend("green"), asleep(), traffic={"green": 100}, mirror={"blue": 100})
    for _ in range(5):
        assert site.score().name == "green0"
        assert site.gateway.held() == {HELD: 0}


def test_what_is_queued_when_a_deployment_falls_asleep_is_answered_and_who_comes_then_is_held(
    site: Site, pool: ThreadPoolExecutor
) -> None:
    awake = site.backend("blue", concurrency=1, hold=Hold(time=timedelta(seconds=300), requests=100))
    site.apply(awake)
    queued = [pool.submit(site.score, b"{}", x_sleep="0.1") for _ in range(8)]
    eventually(lambda: site.instances["blue0"].seen)
    going = replace(awake, asleep=True, servers=tuple(replace(s, draining=True) for s in awake.servers))
    site.apply(going)
    assert {future.result().status for future in queued} == {200}
    late = ask(site, pool, b"{}")[0]
    state = eventually(lambda: site.gateway.observe()["blue0"], lambda state: state.active == 0)
    assert (state.draining, state.active) == (True, 0)
    site.apply(replace(awake, asleep=True, servers=()))
    site.instances["blue0"].close()
    wake(site, awake)
    assert late.result().name == "blue0"
