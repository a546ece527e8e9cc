"""What the real gateway counts: each request once, and at whose fault it was not answered well."""

import http.client
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from support.gateway import eventually
from support.site import Site, a_site, at_work, present

from penstock_worker.inflight import Inflight
from penstock_worker.messages import Request

SHORT = timedelta(milliseconds=200)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


def counted(site: Site, deployment: str) -> tuple[int, int, int]:
    """Answered, refused, failed: by all processes of the gateway."""
    name = f"fraud/{deployment}"
    counts = [tally.deployments[name] for tally in site.gateway.tallies() if name in tally.deployments]
    return sum(c.answered for c in counts), sum(c.refused for c in counts), sum(c.failed for c in counts)


def ask(site: Site, deployment: str, body: bytes = b"{}", **headers: str) -> int:
    return site.score(body, azureml_model_deployment=deployment, **headers).status


def fill(site: Site, deployment: str) -> int:
    """One request is worked on, one waits if it may, and one more comes."""
    busy = [Thread(target=ask, args=(site, deployment), kwargs={"x_sleep": "60"}) for _ in range(2)]
    for number, thread in enumerate(busy, 1):
        thread.start()
        eventually(lambda: at_work(site, deployment), lambda c, n=number: present(c) >= n or c.failed > 0)
    status = ask(site, deployment)
    site.instances[f"{deployment}0"].wake()
    for thread in busy:
        thread.join()
    return status


def break_off(site: Site, deployment: str) -> int:
    """The instance ends in the middle of its answer."""
    headers = {"Authorization": "Bearer k1", "azureml-model-deployment": deployment, "x-halves": "", "x-sleep": "60"}
    with site.client() as client:
        client.connection.request("POST", "/endpoints/fraud/score", b"{}", headers)
        begun = client.connection.getresponse()
        site.instances[f"{deployment}0"].close()
        with pytest.raises(http.client.IncompleteRead):
            begun.read()
        return begun.status


def die(site: Site, deployment: str) -> int:
    """The instance dies of the request, as our worker notes it."""
    noting, instance = Inflight(site.sockets / f"fraud.{deployment}.inflight"), site.instances[f"{deployment}0"]

    def end() -> None:
        eventually(lambda: instance.seen)
        _, headers, body = instance.seen[0]
        noting.admit(Request("POST", "/score", "", {k.encode(): v.encode() for k, v in headers.items()}, body))
        instance.close()

    dying = Thread(target=end)
    dying.start()
    status = ask(site, deployment, x_sleep="60", x_request_id="mine")
    dying.join()
    return status


def have_none(site: Site, deployment: str) -> int:
    site.instances[f"{deployment}0"].close()
    return ask(site, deployment)


def send_chunks(site: Site, deployment: str) -> int:
    headers = {"Authorization": "Bearer k1", "azureml-model-deployment": deployment}
    with site.client() as client:
        client.connection.request("POST", "/endpoints/fraud/score", iter([b"x" * 60_000]), headers, encode_chunked=True)
        return client.connection.getresponse().status


CASES: dict[str, tuple[dict[str, object], Callable[[Site, str], int], tuple[int, int, int, int]]] = {
    # what is asked of a deployment with these limits -> status of the last answer; answered, refused, failed
    "good": ({}, ask, (200, 1, 0, 0)),
    "nothing": ({}, lambda s, d: ask(s, d, x_status="204"), (204, 1, 0, 0)),
    "refuses": ({}, lambda s, d: ask(s, d, x_status="400"), (400, 1, 1, 0)),
    "says429": ({}, lambda s, d: ask(s, d, x_status="429"), (429, 1, 1, 0)),
    "raises": ({}, lambda s, d: ask(s, d, x_status="500"), (424, 1, 0, 1)),
    "says503": ({}, lambda s, d: ask(s, d, x_status="503"), (424, 1, 0, 1)),
    "strict400": ({"strict": True}, lambda s, d: ask(s, d, x_status="400"), (424, 1, 1, 0)),
    "strict500": ({"strict": True}, lambda s, d: ask(s, d, x_status="500"), (424, 1, 0, 1)),
    "strict201": ({"strict": True}, lambda s, d: ask(s, d, x_status="201"), (424, 1, 0, 1)),
    "slow": ({"request_timeout": SHORT}, lambda s, d: ask(s, d, x_sleep="60"), (408, 1, 0, 1)),
    "full": ({"concurrency": 1, "queue_per_instance": 1}, fill, (429, 3, 0, 1)),
    "waits": ({"concurrency": 1, "queue_wait": SHORT}, fill, (429, 3, 0, 2)),
    "noqueue": ({"concurrency": 1, "queue_per_instance": 0}, fill, (429, 3, 0, 2)),
    "dies": ({}, die, (424, 1, 0, 1)),
    "gone": ({}, have_none, (503, 1, 0, 1)),
    "breaks": ({}, break_off, (200, 1, 0, 1)),
    "chunks": ({"own_server": True}, send_chunks, (411, 1, 1, 0)),
}


def test_each_request_counts_once_and_as_the_fault_of_who_is_at_fault(site: Site) -> None:
    backends = [site.backend(name, **limits) for name, (limits, _, _) in CASES.items()]
    site.apply(*backends, traffic={"good": 100})
    for name, (_, act, expected) in CASES.items():
        status = act(site, name)
        counts = eventually(lambda name=name: counted(site, name), lambda seen, to=expected: seen >= to[1:])
        assert (status, *counts) == expected, name


def test_a_copy_for_a_mirror_counts_and_who_is_refused_at_the_door_does_not(site: Site) -> None:
    blue, green = site.backend("blue"), site.backend("green")
    site.apply(blue, green, mirror={"green": 100})
    with site.client() as client:
        assert client.score(b"[1]").status == 200
        client.key = "wrong"
        assert client.score(b"[1]").status == 401
    assert eventually(lambda: counted(site, "green"), lambda seen: seen[0] > 0) == (1, 0, 0)
    assert counted(site, "blue") == (1, 0, 0)


def test_a_process_from_before_a_reload_counts_until_its_last_answer(site: Site) -> None:
    blue = site.backend("blue")
    site.apply(blue)
    for _ in range(5):
        assert site.score().status == 200
    slow = Thread(target=site.score, kwargs={"x_sleep": "60"})
    slow.start()
    eventually(lambda: site.instances["blue0"].seen, lambda seen: len(seen) == 6)
    assert site.apply(blue, replace(blue, deployment="green", servers=())).reloaded
    assert site.score().status == 200
    assert counted(site, "blue") == (6, 0, 0)
    assert sorted(tally.finishing for tally in site.gateway.tallies() if "fraud/blue" in tally.deployments) == [
        False,
        True,
    ]
    site.instances["blue0"].wake()
    slow.join()
    assert eventually(lambda: counted(site, "blue"), lambda seen: seen[0] == 7) == (7, 0, 0)
    assert counted(site, "blue") == (7, 0, 0), "also when it is gone"
