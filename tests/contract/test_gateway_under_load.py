"""No request is lost whatever is changed or dies, and no process is left."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from support.gateway import a_backend, a_gateway, a_server, a_socket_folder, a_table, eventually
from support.instances import Answer, Load
from support.ports import is_free
from support.site import Site, a_site

from penstock.domain.errors import Code, PenstockError
from penstock.gateway.base import Applied
from penstock.gateway.haproxy import HaproxyGateway
from penstock.gateway.process import marked


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


def test_keys_rotate_under_load_without_a_lost_request(site: Site) -> None:
    blue, keys = site.backend("blue"), ["k1"]
    site.apply(blue, keys=("k1", "k2"))
    with Load(site.gateway.port, key=lambda: keys[0]) as load:
        load.wait_for(100)
        keys[0] = "k2"
        load.wait_for(100)
        assert site.apply(blue, keys=("k3", "k2")) == Applied(commands=2)
        load.wait_for(100)
    assert load.failures == []
    assert site.score().status == 401


def test_servers_come_and_go_under_load_without_a_lost_request(site: Site) -> None:
    one = site.backend("blue")
    site.apply(one)
    with Load(site.gateway.port, x_sleep="0.002") as load:
        for round_ in range(3):
            new = a_server(site.instance(f"new{round_}"))
            assert not site.apply(replace(one, servers=(*one.servers, new))).reloaded
            load.wait_for(100)
            site.apply(replace(one, servers=(*one.servers, replace(new, draining=True))))
            assert eventually(lambda name=new.name: site.gateway.observe()[name].active, lambda n: n == 0) == 0
            site.apply(one)
            assert set(site.gateway.observe()) == {"blue0"}
            assert site.instances[new.name].seen
            site.instances[new.name].close()
    assert load.failures == []


def test_a_busy_server_that_is_taken_away_finishes_and_is_removed_later(site: Site) -> None:
    one = site.backend("blue", 1)
    gone = a_server(site.instance("gone"))
    site.apply(replace(one, servers=(gone,)))
    answers: list[Answer] = []
    busy = Thread(target=lambda: answers.append(site.score(x_sleep="60")))
    busy.start()
    eventually(lambda: site.gateway.observe()["gone"].active)
    site.apply(one)
    assert site.score().name == "blue0"
    assert set(site.gateway.observe()) == {"blue0", "gone"}
    site.instances["gone"].wake()
    busy.join()
    assert answers[0].name == "gone"

    def applied_again() -> set[str]:
        site.apply(one)
        return set(site.gateway.observe())

    assert eventually(applied_again, lambda names: names == {"blue0"}) == {"blue0"}


def test_reloads_under_load_lose_nothing_and_keep_what_drains(site: Site) -> None:
    blue = site.backend("blue", 2)
    blue = replace(blue, servers=(blue.servers[0], replace(blue.servers[1], draining=True)))
    site.apply(blue)
    with Load(site.gateway.port) as load:
        for n in range(3):
            load.wait_for(100)
            assert site.apply(blue, a_backend(f"green{n}")).reloaded
            assert site.gateway.observe()["blue1"].draining
        load.wait_for(100)
    assert load.failures == []
    assert site.instances["blue1"].seen == []


def test_requests_in_a_worker_from_before_a_reload_still_count(site: Site) -> None:
    blue = site.backend("blue")
    site.apply(blue)
    busy = Thread(target=lambda: site.score(x_sleep="60"))
    busy.start()
    eventually(lambda: site.gateway.observe()["blue0"].active)
    site.apply(blue, a_backend("green"))
    assert site.gateway.observe()["blue0"].active == 1
    site.instances["blue0"].wake()
    busy.join()
    assert eventually(lambda: site.gateway.observe()["blue0"].active, lambda n: n == 0) == 0


def test_the_death_of_one_of_two_instances_under_load_loses_nothing(site: Site) -> None:
    site.apply(site.backend("blue", 2, concurrency=2))
    with Load(site.gateway.port, x_sleep="0.01") as load:
        load.wait_for(50)
        site.instances["blue0"].close()
        load.wait_for(100)
        site.instance("blue0")
        eventually(lambda: site.instances["blue0"].seen)
    assert load.failures == []
    assert site.instances["blue0"].seen


def test_a_later_control_plane_finds_the_gateway_and_changes_nothing(site: Site) -> None:
    table = a_table(site.backend("blue"), mirror={"blue": 5})
    site.gateway.apply(table)
    before = {process.pid for process in marked(str(site.home))}
    with Load(site.gateway.port) as load:
        load.wait_for(50)
        later = a_gateway(site.home, site.sockets)
        later.start()
        assert later.port == site.gateway.port
        assert later.apply(table) == Applied()
        load.wait_for(50)
    assert load.failures == []
    assert {process.pid for process in marked(str(site.home))} == before
    later.stop()
    assert marked(str(site.home)) == []
    assert not site.gateway.alive()


def test_a_killed_gateway_comes_back_as_it_was(site: Site) -> None:
    blue = site.backend("blue", 2)
    table = a_table(replace(blue, servers=(blue.servers[0], replace(blue.servers[1], draining=True))))
    site.gateway.apply(table)
    port = site.gateway.port
    for process in marked(str(site.home)):
        os.kill(process.pid, signal.SIGKILL)
    assert eventually(lambda: not site.gateway.alive())
    later = a_gateway(site.home, site.sockets)
    later.start()
    assert later.port == port
    assert site.score().name == "blue0"
    assert later.observe()["blue1"].draining
    assert later.apply(table) == Applied()


def test_a_killed_gateway_stays_at_its_port_though_somebody_holds_it_meanwhile(site: Site) -> None:
    site.apply(site.backend("blue"))
    port = site.gateway.port
    for process in marked(str(site.home)):
        os.kill(process.pid, signal.SIGKILL)
    assert eventually(lambda: not site.gateway.alive() and not marked(str(site.home)) and is_free(port))
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PenstockError, match=str(port)) as caught:
        site.gateway.start()
    assert caught.value.code is Code.UNAVAILABLE
    site.gateway.start()
    assert (site.gateway.port, site.score().status) == (port, 200)


def test_a_killed_worker_takes_the_master_along_and_both_come_back(site: Site) -> None:
    site.apply(site.backend("blue"))
    worker = next(
        p for p in marked(str(site.home)) if p.parent() and p.ppid() in {q.pid for q in marked(str(site.home))}
    )
    worker.kill()
    assert eventually(lambda: not site.gateway.alive())
    site.gateway.start()
    assert site.score().status == 200


def test_a_stopped_gateway_leaves_no_process_not_even_one_that_finishes_a_request(site: Site) -> None:
    blue = site.backend("blue", request_timeout=timedelta(seconds=300))
    site.apply(blue)
    with closing(socket.create_connection(("127.0.0.1", site.gateway.port))) as held:
        head = b"POST /endpoints/fraud/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k1\r\nContent-Length: 2\r\n"
        held.sendall(head + b"x-sleep: 60\r\n\r\n{}")
        eventually(lambda: site.gateway.observe()["blue0"].active)
        site.apply(blue, a_backend("green"))
        assert len(marked(str(site.home))) == 3
        site.gateway.stop()
    assert marked(str(site.home)) == []


def test_a_port_in_use_is_named_with_its_remedy(site: Site, tmp_path: Path) -> None:
    with a_socket_folder() as sockets:
        second: HaproxyGateway = a_gateway(tmp_path / "second", sockets, port=site.gateway.port)
        with pytest.raises(PenstockError, match=rf"127\.0\.0\.1:{site.gateway.port}.*--gateway-port N") as caught:
            second.start()
    assert caught.value.code is Code.UNAVAILABLE
    assert marked(str(tmp_path / "second")) == []


def test_callers_who_were_idle_over_a_reload_are_routed_as_all_others(site: Site) -> None:
    blue = site.backend("blue")
    site.apply(blue)
    with site.client() as idle, site.client() as large:
        assert (idle.score().name, large.score().name) == ("blue0", "blue0")
        assert site.apply(blue, site.backend("green"), traffic={"green": 100}).reloaded
        answer = idle.score(x_request_id="mine")
        assert (answer.status, answer.name, answer.headers["x-request-id"]) == (200, "green0", "mine")
        assert large.score(b"[" + b"1," * 200_000 + b"1]").name == "green0"
        assert idle.score().name == "green0"
