"""The real gateway: copies for shadows, and callers that are assigned to deployments."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.gateway import a_backend, eventually
from support.site import Site, a_site

from penstock.domain.sticky import assigned
from penstock.gateway.base import Copies


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


def ids_seen(site: Site, instance: str) -> set[str]:
    return {headers["x-request-id"] for _, headers, _ in site.instances[instance].seen}


def test_each_shadow_gets_its_percent_and_the_lower_percent_a_part_of_the_higher(site: Site) -> None:
    blue, green, red = site.backend("blue"), site.backend("green"), site.backend("red")
    site.apply(blue, green, red, mirror={"green": 100, "red": 30})
    with site.client() as client:
        for n in range(20):
            assert client.score(b"[1]", azureml_model_deployment="blue", x_request_id=f"named{n}").name == "blue0"
        for n in range(300):
            answer = client.score(b"[1]", x_request_id=f"id{n}", traceparent=f"trace{n}")
            assert (answer.status, answer.name) == (200, "blue0")
            if n % 50 == 0:  # no more than 64 copies to one are under way
                eventually(lambda: ids_seen(site, "green0"), lambda seen: len(seen) > n)  # noqa: B023 - called at once
    assert eventually(lambda: ids_seen(site, "green0"), lambda seen: len(seen) == 300) == {f"id{n}" for n in range(300)}
    copies = eventually(
        site.gateway.copies,
        lambda seen: seen["fraud/green"].sent == 300 and seen["fraud/red"].sent == len(ids_seen(site, "red0")),
    )
    assert copies["fraud/green"] == Copies(sent=300)
    assert copies["fraud/red"].sent == pytest.approx(90, abs=40)
    assert {(line, headers["x-penstock-mirror"], body) for line, headers, body in site.instances["red0"].seen} == {
        ("POST /score HTTP/1.1", "1", b"[1]")
    }
    copy = site.instances["red0"].seen[0][1]
    assert copy["traceparent"] == copy["x-request-id"].replace("id", "trace")
    assert "x-penstock-backend" not in copy
    assert site.apply(blue, green, red, mirror={"red": 100}).reloaded is False


def test_what_a_shadow_answers_itself_is_not_copied_to_it(site: Site) -> None:
    site.apply(site.backend("blue"), site.backend("green"), traffic={"blue": 50, "green": 50}, mirror={"green": 100})
    with site.client() as client:
        names = [client.score(x_request_id=f"id{n}").name for n in range(60)]
    live = {f"id{n}" for n, name in enumerate(names) if name == "green0"}
    assert 0 < len(live) < 60
    seen = eventually(lambda: site.instances["green0"].seen, lambda seen: len(seen) == 60)
    mirrored = {headers["x-request-id"] for _, headers, _ in seen if "x-penstock-mirror" in headers}
    assert mirrored == {f"id{n}" for n in range(60)} - live


def test_shadows_that_hang_or_are_dead_slow_nobody_and_what_they_miss_is_counted(site: Site) -> None:
    blue, well, dead = site.backend("blue"), site.backend("well"), site.backend("dead")
    site.instances["dead0"].close()
    hangs = a_backend("hangs", request_timeout=timedelta(minutes=5), queue_wait=timedelta(minutes=5))
    with closing(socket.socket(socket.AF_UNIX)) as deaf:
        deaf.bind(str(site.sockets / "deaf.sock"))
        deaf.listen(100)
        server = replace(blue.servers[0], name="deaf", address=str(site.sockets / "deaf.sock"))
        backends = (blue, well, dead, replace(hangs, servers=(server,)))
        site.apply(*backends, mirror={"well": 100, "dead": 100, "hangs": 100})
        times: list[float] = []
        with site.client() as client:
            for n in range(150):
                began = time.monotonic()
                assert client.score(x_request_id=f"id{n}").name == "blue0"
                times.append(time.monotonic() - began)
                eventually(lambda: ids_seen(site, "well0"), lambda seen: len(seen) > n)  # noqa: B023 - called at once
        assert sorted(times)[len(times) // 2] < 1  # who waited for a shadow would have to wait for minutes
        copies = eventually(site.gateway.copies, lambda seen: seen["fraud/dead"].failed == 150)
        assert copies["fraud/well"] == Copies(sent=150)
        assert copies["fraud/dead"] == Copies(sent=150, failed=150)
        assert copies["fraud/hangs"].sent + copies["fraud/hangs"].dropped == 150
        assert copies["fraud/hangs"].dropped >= 150 - 64 * 8  # threads
        line = f'penstock_mirror_copies_total{{proxy="fraud.hangs",outcome="dropped"}} {copies["fraud/hangs"].dropped}'
        assert line in site.gateway.metrics().decode().splitlines()


def test_bodies_above_the_bound_are_not_copied_and_counted(site: Site) -> None:
    site.apply(site.backend("blue"), site.backend("green"), mirror={"green": 100})
    with site.client() as client:
        assert client.score(b"x" * (65 * 1024)).name == "blue0"
        assert client.score(b"y" * (63 * 1024)).name == "blue0"
    assert [body[:1] for _, _, body in eventually(lambda: site.instances["green0"].seen)] == [b"y"]
    wanted = {"fraud/green": Copies(sent=1, skipped=1)}
    assert eventually(site.gateway.copies, lambda seen: seen == wanted) == wanted


@pytest.mark.parametrize("sticky", ["header:x-user-id", "cookie:uid"])
def test_callers_are_assigned_by_header_or_cookie_and_move_only_to_what_grows(site: Site, sticky: str) -> None:
    backends = [site.backend(name) for name in ("blue", "green", "red")]
    before, after = {"blue": 80, "green": 10, "red": 10}, {"blue": 60, "green": 20, "red": 20}
    users = [f"user-{n}@example.org" for n in range(1000)]
    found: list[list[str]] = []
    site.apply(*backends, traffic=before)
    for traffic in (before, after):
        assert site.apply(*backends, traffic=traffic, sticky=sticky).reloaded is False
        with site.client() as client:
            headers = [
                {"x_user_id": user} if sticky[0] == "h" else {"cookie": f"a=b; uid={user}; c=d"} for user in users
            ]
            found.append([client.score(**each).name.rstrip("0") for each in headers])
        assert found[-1] == [assigned("fraud", traffic, user) for user in users]
    moves = Counter((old, new) for old, new in zip(*found, strict=True) if old != new)
    assert moves.keys() == {("blue", "green"), ("blue", "red")}
    with site.client() as client:
        assert len({client.score().name for _ in range(100)}) == 3  # who sends neither is spread at random
        assert client.score(x_user_id=users[0], cookie=f"uid={users[0]}", azureml_model_deployment="red").name == "red0"
