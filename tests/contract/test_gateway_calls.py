"""What the real gateway promises to callers: who answers, and what goes through."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from support.gateway import a_backend, a_route, a_server, eventually
from support.instances import Instance
from support.site import Site, a_site

from penstock.gateway.base import Applied
from penstock.gateway.process import marked
from penstock.gateway.table import RoutingTable


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
        drawn = Counter(client.score().headers["azureml-model-deployment"] for _ in range(2500))
    assert len(drawn) == 20  # all but once in five thousand million times
    assert drawn["d19"] == pytest.approx(2025, abs=120)  # six standard deviations


def test_a_large_body_arrives_whole_by_length_and_in_chunks(site: Site) -> None:
    site.apply(site.backend("blue"))
    body = random.Random(1).randbytes(900_000)
    assert site.score(body).status == 200
    with site.client() as client:
        client.connection.request(
            "POST", "/endpoints/fraud/score", iter([body]), {"Authorization": "Bearer k1"}, encode_chunked=True
        )
        assert client.connection.getresponse().read()
    assert [seen == body for _, _, seen in site.instances["blue0"].seen] == [True, True]


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
