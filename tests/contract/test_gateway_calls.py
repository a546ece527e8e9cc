"""What the real gateway promises to callers: who answers, and what they learn when nobody can."""

import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psutil
import pytest
from support.gateway import a_backend, a_route, a_server, eventually
from support.instances import Instance
from support.site import Site, a_site

from penstock.gateway.base import Applied
from penstock.gateway.process import marked
from penstock.gateway.table import RoutingTable
from penstock_worker.inflight import Inflight
from penstock_worker.messages import Request


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


def test_health_needs_no_key(site: Site) -> None:
    with site.client() as client:
        assert client.ask("GET", "/healthz").status == 200


def test_an_endpoint_answers_by_path_and_by_host_and_the_path_wins(site: Site) -> None:
    blue, other = site.backend("blue"), replace(site.backend("other"), endpoint="Other-x_1")
    routes = (a_route(), a_route("Other-x_1", traffic={"other": 100}))
    site.gateway.apply(RoutingTable(routes=routes, backends=(blue, other)))
    with site.client() as client:
        assert client.score().name == "blue0"
        assert client.ask("POST", "/score", b"{}", Host="FRAUD.example.org:8080").name == "blue0"
        assert client.ask("POST", "/score?a=b", b"{}", Host="other-X_1.example").name == "other0"
        assert client.ask("GET", "/endpoints/fraud/swagger.json?version=3", Host="other-x_1.example").name == "blue0"
        assert client.ask("POST", "/score", b"{}", Host="localhost").code == "EndpointNotFound"
    requests = [line for line, _, _ in site.instances["blue0"].seen]
    assert requests == ["POST /score HTTP/1.1", "POST /score HTTP/1.1", "GET /swagger.json?version=3 HTTP/1.1"]
    assert site.instances["other0"].seen[0][0] == "POST /score?a=b HTTP/1.1"


@pytest.mark.parametrize(
    ("request_line", "key", "headers", "status", "code"),
    [
        pytest.param("POST /endpoints/nope/score", "k1", {}, 404, "EndpointNotFound", id="unknown endpoint"),
        pytest.param("POST /", "k1", {}, 404, "EndpointNotFound", id="no endpoint"),
        pytest.param("POST /endpoints/fraud/score", "k2", {}, 401, "Unauthorized", id="wrong key"),
        pytest.param("POST /endpoints/fraud/score", "", {}, 401, "Unauthorized", id="empty key"),
        pytest.param(
            "POST /endpoints/fraud/score", "k1", {"Authorization": "Basic azE="}, 401, "Unauthorized", id="no bearer"
        ),
        pytest.param("GET /endpoints/fraud/ready", "k1", {}, 404, "RouteNotFound", id="a path of the worker only"),
        pytest.param("GET /endpoints/fraud/score/", "k1", {}, 404, "RouteNotFound", id="a slash too many"),
        pytest.param("GET /endpoints/fraud/metrics", "k1", {}, 404, "RouteNotFound", id="the platform's own page"),
        pytest.param("GET /endpoints/fraud/v2/models/..", "k1", {}, 404, "RouteNotFound", id="dots for a model"),
        pytest.param("GET /endpoints/fraud/v2/models/a%2fb", "k1", {}, 404, "RouteNotFound", id="an escaped slash"),
        pytest.param("GET /endpoints/fraud/v2/models/a/../b", "k1", {}, 404, "RouteNotFound", id="dots in a path"),
        pytest.param("GET /endpoints/fraud/v2/models/a/config", "k1", {}, 404, "RouteNotFound", id="no such v2 path"),
        pytest.param("POST /endpoints/fraud/v2/models/a", "k1", {}, 405, "MethodNotAllowed", id="v2 wants GET"),
        pytest.param("GET /endpoints/fraud/v1/models/a:predict", "k1", {}, 405, "MethodNotAllowed", id="v1 wants POST"),
        pytest.param(
            "POST /endpoints/fraud/v2/models/a/infer", "k2", {}, 401, "Unauthorized", id="v2 with a wrong key"
        ),
        pytest.param("OPTIONS /endpoints/fraud/score", "k1", {}, 405, "MethodNotAllowed", id="options"),
        pytest.param(
            "OPTIONS /endpoints/fraud/score",
            "",
            {"Access-Control-Request-Method": "POST"},
            401,
            "Unauthorized",
            id="a browser's preflight where browsers may not call",
        ),
        pytest.param("DELETE /endpoints/fraud/score", "k1", {}, 405, "MethodNotAllowed", id="wrong method"),
        pytest.param(
            "POST /endpoints/fraud/score",
            "k1",
            {"azureml-model-deployment": "no<pe"},
            404,
            "DeploymentNotFound",
            id="unknown deployment",
        ),
        pytest.param("POST /endpoints/idle/score", "k1", {}, 404, "NoTraffic", id="no traffic"),
        pytest.param(
            "POST /endpoints/fraud/score",
            "k1",
            {"Content-Length": "1048577"},
            413,
            "PayloadTooLarge",
            id="too large",
        ),
    ],
)
def test_a_refused_request_learns_what_to_do(
    site: Site, request_line: str, key: str, headers: Mapping[str, str], status: int, code: str
) -> None:
    idle = replace(a_backend(), endpoint="idle")
    site.gateway.apply(RoutingTable(routes=(a_route(), a_route("idle", traffic={})), backends=(a_backend(), idle)))
    with site.client(key) as client:
        answer = client.ask(*request_line.split(), None if headers else b"{}", **headers)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) == 36
    assert b"no<pe" not in answer.body
    assert "azureml-model-deployment" not in answer.headers
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


def test_the_key_stays_at_the_gateway_and_ids_go_through(site: Site) -> None:
    site.apply(site.backend("blue"))
    answer = site.score(Authorization="bEARER k1", x_request_id="r" * 200, x_ms_client_request_id="mine")
    _, headers, _ = site.instances["blue0"].seen[0]
    assert answer.headers["x-request-id"] == headers["x-request-id"] == "r" * 100
    assert answer.headers["x-ms-client-request-id"] == headers["x-ms-client-request-id"] == "mine"
    assert answer.headers["azureml-model-deployment"] == "blue"
    assert "authorization" not in headers
    assert site.score(x_penstock_mirror="1").status == 200
    assert "x-penstock-mirror" not in site.instances["blue0"].seen[1][1]


@pytest.mark.parametrize("traffic", [{"blue": 100}, {"blue": 50, "green": 50}], ids=["one deployment", "two"])
def test_the_paths_of_the_open_inference_protocol_reach_the_instances(site: Site, traffic: dict[str, int]) -> None:
    site.apply(site.backend("blue"), site.backend("green"), traffic=traffic)
    asked = [
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models/m-1.x_y",
        "GET /v2/models/m/ready",
        "GET /v2/models/m/versions/1",
        "GET /v2/models/m/versions/1/ready",
        "POST /v2/models/m/infer",
        "POST /v2/models/m/versions/1/infer",
        "GET /v1/models",
        "GET /v1/models/m",
        "POST /v1/models/m:predict",
    ]
    with site.client() as client:
        for line in asked:
            method, path = line.split()
            answer = client.ask(method, f"/endpoints/fraud{path}", b"{}" if method == "POST" else None)
            assert (answer.status, answer.headers["azureml-model-deployment"] + "0") == (200, answer.name)
        assert client.ask("POST", "/v2/models/m/infer?a=b", b"{}", Host="fraud.example.org").status == 200
    seen = {line for instance in site.instances.values() for line, _, _ in instance.seen}
    assert seen == {f"{line} HTTP/1.1" for line in (*asked, "POST /v2/models/m/infer?a=b")}


def test_browsers_may_ask_without_a_key_where_the_deployment_lets_them(site: Site) -> None:
    blue = site.backend("blue")
    site.gateway.apply(RoutingTable(routes=(replace(a_route(), cors=True),), backends=(blue,)))
    with site.client("") as client:
        preflight = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
        assert client.ask("OPTIONS", "/endpoints/fraud/score", **preflight).name == "blue0"
        assert client.ask("OPTIONS", "/endpoints/fraud/score").code == "Unauthorized"
        assert client.ask("OPTIONS", "/endpoints/fraud/swagger.json", **preflight).code == "Unauthorized"
        assert client.ask("POST", "/endpoints/fraud/score", b"{}", **preflight).code == "Unauthorized"
    assert [line for line, _, _ in site.instances["blue0"].seen] == ["OPTIONS /score HTTP/1.1"]


def test_traces_go_through_and_the_time_of_the_model_comes_back(site: Site) -> None:
    site.apply(site.backend("blue"))
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1"}
    answer = site.score(x_sleep="0.05", **trace)
    _, headers, _ = site.instances["blue0"].seen[0]
    assert {name: headers[name] for name in trace} == trace
    assert 40 <= int(answer.headers["ms-azureml-model-time"]) < 5000
    assert "traceparent" not in answer.headers


def test_every_request_has_an_id_that_its_caller_cannot_choose(site: Site) -> None:
    site.apply(site.backend("blue"))
    site.score(x_request_id="mine", x_penstock_request="forged")
    site.score()
    (_, named, _), (_, unnamed, _) = site.instances["blue0"].seen
    assert named["x-request-id"] == "mine"
    assert len(named["x-penstock-request"]) == len(unnamed["x-request-id"]) == 36
    assert "x-penstock-request" not in unnamed


def test_traffic_is_split_as_told_and_changed_without_a_reload(site: Site) -> None:
    backends = [site.backend(name) for name in ("blue", "green", "red")]
    site.apply(*backends, traffic={"blue": 90, "green": 10})
    with site.client() as client:
        drawn = Counter(client.score().headers["azureml-model-deployment"] for _ in range(2000))
        assert drawn["green"] == pytest.approx(200, abs=70)  # five standard deviations
        assert drawn["red"] == 0
        assert not site.apply(*backends, traffic={"green": 100}).reloaded
        assert {client.score().name for _ in range(50)} == {"green0"}
        assert client.score(azureml_model_deployment="red").name == "red0"
        assert not site.apply(*backends, traffic={}).reloaded
        assert client.score().code == "NoTraffic"


def test_a_hundredth_of_the_traffic_can_be_split_off_twenty_deployments(site: Site) -> None:
    backends = [a_backend(f"d{n}") for n in range(20)]
    shares = {f"d{n}": 1 for n in range(19)} | {"d19": 81}
    site.apply(*backends, traffic=shares)
    with site.client() as client:
        drawn = Counter(client.score().headers["azureml-model-deployment"] for _ in range(1000))
    assert len(drawn) == 20
    assert drawn["d19"] == pytest.approx(810, abs=70)


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
    answer = site.score(x_sleep="1")
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
    busy = [Thread(target=lambda: site.score(x_sleep="1.0")) for _ in range(2)]
    for thread in busy:
        thread.start()
        time.sleep(0.1)
    answer = site.score()
    for thread in busy:
        thread.join()
    assert (answer.status, answer.code) == (429, "TooManyRequests")
    assert answer.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert int(answer.headers["retry-after"]) >= 1


def test_no_healthy_instance_is_503_and_soon_over(site: Site) -> None:
    blue = site.backend("blue")
    site.apply(blue)
    assert site.score().status == 200
    site.instances["blue0"].close()
    answer = site.score()
    assert (answer.status, answer.code) == (503, "NoHealthyInstance")
    assert "retry-after" in answer.headers
    site.instance("blue0")
    back = time.monotonic()
    assert eventually(site.score, lambda a: a.status == 200).status == 200
    assert time.monotonic() - back < 1.5
    site.apply(replace(blue, servers=(replace(blue.servers[0], draining=True),)))
    assert site.score().code == "NoHealthyInstance"


def test_an_instance_that_breaks_off_a_large_request_is_502(site: Site) -> None:
    site.apply(site.backend("blue"))
    ending = Thread(target=lambda: (time.sleep(0.3), site.instances["blue0"].close()))
    ending.start()
    answer = site.score(b"x" * 500_000, x_sleep="1")
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
    answer = site.score(b"x" * size, x_sleep="1", x_request_id="mine")
    dying.join()
    assert (answer.status, answer.code) == (424, "InstanceDied")
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert site.score().status == 503, "this one was never begun"


def test_an_instance_that_is_sent_many_requests_at_a_time_says_so_itself(site: Site) -> None:
    blue = site.backend("blue", concurrency=1)
    site.apply(replace(blue, servers=(replace(blue.servers[0], concurrency=3),)))
    busy = [Thread(target=lambda: site.score(x_sleep="0.5")) for _ in range(3)]
    for thread in busy:
        thread.start()
    assert eventually(lambda: len(site.instances["blue0"].seen), lambda n: n == 3) == 3
    for thread in busy:
        thread.join()


def test_a_body_in_chunks_is_bounded_where_the_instances_run_a_server_of_their_own(site: Site) -> None:
    site.apply(site.backend("blue", own_server=True))
    with site.client() as client:
        for size, status in ((10_000, 200), (60_000, 411)):
            body = iter([os.urandom(size)])
            headers = {"Authorization": "Bearer k1"}
            client.connection.request("POST", "/endpoints/fraud/score", body, headers, encode_chunked=True)
            answer = client.connection.getresponse()
            answer.read()
            assert answer.status == status
    assert site.score(os.urandom(500_000)).status == 200


def test_a_slow_client_is_cut_off_and_holds_no_instance(site: Site) -> None:
    site.apply(site.backend("blue", concurrency=1))
    head = b"POST /endpoints/fraud/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k1\r\nContent-Length: 10\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.gateway.port), timeout=20) as slow:
        slow.sendall(head + b"abc")
        assert site.score().status == 200
        said = slow.recv(65536)
    assert b" 408 " in said
    assert b"RequestTimeout" in said
    counts = site.gateway.tallies()[0].deployments["fraud/blue"]
    assert (counts.answered, counts.refused, counts.failed) == (2, 1, 0)
    assert b"x-request-id" in said
    assert len(site.instances["blue0"].seen) == 1


def test_a_large_body_arrives_whole_by_length_and_in_chunks(site: Site) -> None:
    site.apply(site.backend("blue"))
    body = os.urandom(900_000)
    assert site.score(body).status == 200
    with site.client() as client:
        client.connection.request(
            "POST", "/endpoints/fraud/score", iter([body]), {"Authorization": "Bearer k1"}, encode_chunked=True
        )
        assert client.connection.getresponse().read()
    assert [seen == body for _, _, seen in site.instances["blue0"].seen] == [True, True]


def test_mirrors_get_copies_and_callers_wait_for_none(site: Site) -> None:
    blue, green = site.backend("blue"), site.backend("green", request_timeout=timedelta(seconds=30))
    site.apply(blue, green, mirror={"green": 50})
    with site.client() as client:
        assert {client.score(b"[1]", azureml_model_deployment="blue").status for _ in range(100)} == {200}
        assert site.instances["green0"].seen == []
        for n in range(200):
            assert client.score(b"[1]", x_request_id=f"id{n}").name == "blue0"
            if n % 8 == 0:
                time.sleep(
                    0.02
                )  # no more than 16 copies are under way at a time, and a busy machine is slow to take them
    copies = eventually(lambda: site.instances["green0"].seen, lambda seen: len(seen) > 60)
    time.sleep(0.2)
    assert len(copies) == pytest.approx(100, abs=36)
    assert {(line, headers["x-penstock-mirror"], body) for line, headers, body in copies} == {
        ("POST /score HTTP/1.1", "1", b"[1]")
    }
    assert all(
        headers["x-request-id"].startswith("id") and "x-penstock-backend" not in headers for _, headers, _ in copies
    )
    assert site.apply(blue, green).reloaded is False


def test_a_mirror_that_hangs_slows_nobody(site: Site) -> None:
    blue, green = site.backend("blue"), a_backend("green", request_timeout=timedelta(seconds=30))
    with closing(socket.socket(socket.AF_UNIX)) as deaf:
        deaf.bind(str(site.sockets / "deaf.sock"))
        deaf.listen(100)
        server = replace(blue.servers[0], name="deaf", address=str(site.sockets / "deaf.sock"))
        site.apply(blue, replace(green, servers=(server,)), mirror={"green": 50})
        with site.client() as client:
            times = []
            for _ in range(300):
                began = time.monotonic()
                assert client.score().name == "blue0"
                times.append(time.monotonic() - began)
    assert sorted(times)[len(times) // 2] < 0.05


def test_processes_of_the_gateway_show_no_secret(site: Site) -> None:
    site.apply(site.backend("blue"))
    site.score()
    shown = " ".join(word for process in marked(str(site.home)) for word in psutil.Process(process.pid).cmdline())
    log = (site.home / "gateway" / "haproxy.log").read_text()
    assert "k1" not in shown
    assert "Bearer" not in log
    assert all(path.stat().st_mode & 0o077 == 0 for path in (site.home / "gateway").rglob("*") if not path.is_symlink())


def test_an_instance_on_a_port_is_asked_at_its_own_path_and_followed_to_another_port(site: Site) -> None:
    first, second = Instance("moves"), Instance("moves")
    try:
        for instance in (first, second):
            site.apply(a_backend("blue", a_server(instance), scoring_path="/v2/infer"))
            assert eventually(site.score, lambda answer: answer.status == 200).name == "moves"
            assert instance.seen[-1][0] == "POST /v2/infer HTTP/1.1"
        assert site.apply(a_backend("blue", a_server(second), scoring_path="/v2/infer")) == Applied()
        with site.client() as client:
            client.ask("GET", "/endpoints/fraud/swagger.json")
        assert second.seen[-1][0] == "GET /swagger.json HTTP/1.1"
    finally:
        first.close()
        second.close()
