"""What callers of the real gateway learn when nobody can answer them."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from support.gateway import eventually
from support.site import Site, a_site, at_work, present

from penstock_worker.inflight import Inflight
from penstock_worker.messages import Request


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_model_is_424_with_its_own_body(site: Site, status: int) -> None:
    site.apply(site.backend("blue"))
    answer = site.score(x_status=str(status))
    assert (answer.status, answer.name) == (424, "blue0")
    assert answer.headers["ms-azureml-model-error-statuscode"] == str(status)
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert len(site.instances["blue0"].seen) == 1


def test_a_refusal_by_the_model_goes_through_unchanged(site: Site) -> None:
    site.apply(site.backend("blue"))
    answer = site.score(x_status="429")
    assert (answer.status, answer.name) == (429, "blue0")
    assert "ms-azureml-model-error-reason" not in answer.headers


def test_anything_but_200_is_424_where_azure_is_followed_strictly(site: Site) -> None:
    site.apply(site.backend("blue", strict=True))
    with site.client() as client:
        for status in ("201", "204", "404", "500"):
            answer = client.score(x_status=status)
            assert answer.status == 424
            assert answer.headers["ms-azureml-model-error-statuscode"] == status
            assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
            assert answer.body == b"" if status == "204" else answer.name == "blue0"
        assert client.score().status == 200


def test_a_slow_model_is_408(site: Site) -> None:
    site.apply(site.backend("blue", request_timeout=timedelta(milliseconds=200)))
    answer = site.score(x_sleep="60")
    assert (answer.status, answer.code) == (408, "RequestTimeout")
    assert answer.headers["azureml-model-deployment"] == "blue"


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"queue_per_instance": 1}, id="the queue is full"),
        pytest.param({"queue_wait": timedelta(milliseconds=100)}, id="the wait is too long"),
        pytest.param({"queue_per_instance": 0}, id="there is no queue"),
    ],
)
def test_more_than_may_wait_is_429(site: Site, limits: dict[str, object]) -> None:
    site.apply(site.backend("blue", concurrency=1, **limits))
    busy = [Thread(target=lambda: site.score(x_sleep="60")) for _ in range(2)]
    for number, thread in enumerate(busy, 1):
        thread.start()
        eventually(lambda: at_work(site), lambda counts, n=number: present(counts) >= n or counts.failed > 0)
    answer = site.score()
    site.instances["blue0"].wake()
    for thread in busy:
        thread.join()
    assert (answer.status, answer.code) == (429, "TooManyRequests")
    assert answer.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert int(answer.headers["retry-after"]) >= 1


def test_no_healthy_instance_is_503_until_there_is_one(site: Site) -> None:
    blue = site.backend("blue")
    site.apply(blue)
    assert site.score().status == 200
    site.instances["blue0"].close()
    answer = site.score()
    assert (answer.status, answer.code) == (503, "NoHealthyInstance")
    assert "retry-after" in answer.headers
    site.instance("blue0")
    assert eventually(site.score, lambda a: a.status == 200).status == 200
    site.apply(replace(blue, servers=(replace(blue.servers[0], draining=True),)))
    assert site.score().code == "NoHealthyInstance"


def test_an_instance_that_breaks_off_a_large_request_is_502(site: Site) -> None:
    site.apply(site.backend("blue"))
    blue = site.instances["blue0"]
    ending = Thread(target=lambda: (eventually(lambda: blue.seen), blue.close()))
    ending.start()
    answer = site.score(b"x" * 500_000, x_sleep="60")
    ending.join()
    assert (answer.status, answer.code) == (502, "InstanceFailed")


@pytest.mark.parametrize("size", [10, 500_000], ids=["sent again to nobody", "too large to be sent again"])
def test_a_request_that_its_instance_died_of_is_424(site: Site, size: int) -> None:
    """The instance notes what it works on as our worker does."""
    site.apply(site.backend("blue"))
    noting = Inflight(site.sockets / "fraud.blue.inflight")
    blue = site.instances["blue0"]

    def die() -> None:
        eventually(lambda: blue.seen)
        _, headers, body = blue.seen[0]
        noting.admit(Request("POST", "/score", "", {k.encode(): v.encode() for k, v in headers.items()}, body))
        blue.close()

    dying = Thread(target=die)
    dying.start()
    answer = site.score(b"x" * size, x_sleep="60", x_request_id="mine")
    dying.join()
    assert (answer.status, answer.code) == (424, "InstanceDied")
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert site.score().status == 503, "this one was never begun"


def test_an_instance_that_is_sent_many_requests_at_a_time_says_so_itself(site: Site) -> None:
    blue = site.backend("blue", concurrency=1)
    site.apply(replace(blue, servers=(replace(blue.servers[0], concurrency=3),)))
    busy = [Thread(target=lambda: site.score(x_sleep="60")) for _ in range(3)]
    for thread in busy:
        thread.start()
    assert eventually(lambda: len(site.instances["blue0"].seen), lambda n: n == 3) == 3
    site.instances["blue0"].wake()
    for thread in busy:
        thread.join()


def test_a_body_in_chunks_is_bounded_where_the_instances_run_a_server_of_their_own(site: Site) -> None:
    site.apply(site.backend("blue", own_server=True))
    with site.client() as client:
        for size, status in ((10_000, 200), (60_000, 411)):
            body = iter([bytes(size)])
            headers = {"Authorization": "Bearer k1"}
            client.connection.request("POST", "/endpoints/fraud/score", body, headers, encode_chunked=True)
            answer = client.connection.getresponse()
            answer.read()
            assert answer.status == status
    assert site.score(bytes(500_000)).status == 200


def test_a_slow_client_is_cut_off_and_holds_no_instance(site: Site) -> None:
    site.apply(site.backend("blue", concurrency=1))
    head = b"POST /endpoints/fraud/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k1\r\nContent-Length: 10\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.gateway.port), timeout=60) as slow:
        slow.sendall(head + b"abc")
        assert site.score().status == 200
        said = slow.recv(65536)
    assert b" 408 " in said
    assert b"RequestTimeout" in said
    counts = eventually(lambda: at_work(site), lambda seen: seen.answered == 2)
    assert (counts.answered, counts.refused, counts.failed) == (2, 1, 0)
    assert b"x-request-id" in said
    assert len(site.instances["blue0"].seen) == 1
