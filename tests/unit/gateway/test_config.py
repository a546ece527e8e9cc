"""The configuration that a table comes to."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.gateway import a_backend, a_route, a_table

from penstock.domain.errors import Code, PenstockError
from penstock.gateway import maps
from penstock.gateway.config import Config, Host, render
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import Backend, RoutingTable, Server

SETTINGS = GatewaySettings(folder=Path("/home/j o/gateway"), run_folder=Path("/home/j o/run"), owner="/home/j o")
HOST = Host(port=8080, max_connections=8000, threads=2)
BLUE = a_backend("blue", Server(name="fraud.blue.1a2b.0", address="/home/j o/run/a.sock"))


def rendered(*backends: Backend, settings: GatewaySettings = SETTINGS, **route: object) -> Config:
    return render(a_table(*backends, **route), settings, HOST)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("traffic", "entry"),
    [
        pytest.param({"blue": 100}, {"fraud": "100|blue"}, id="all to one"),
        pytest.param({"green": 10, "blue": 90}, {"fraud": "90|blue|100|green"}, id="cumulative, by name"),
        pytest.param({"blue": 0, "green": 100}, {"fraud": "100|green"}, id="no share, no place"),
        pytest.param({"blue": 0}, {}, id="no traffic, no entry"),
    ],
)
def test_traffic_is_one_entry_of_thresholds(traffic: dict[str, int], entry: dict[str, str]) -> None:
    assert rendered(traffic=traffic).maps[maps.TRAFFIC] == entry


def test_hosts_have_no_case_and_the_endpoint_in_lower_case_wins() -> None:
    routes = tuple(a_route(name) for name in ("Fraud", "fraud", "Alone"))
    assert maps.contents(RoutingTable(routes=routes))[maps.HOSTS] == {"fraud": "fraud", "alone": "Alone"}


def test_two_keys_that_are_the_same_are_one_entry() -> None:
    assert list(rendered(keys=("k", "k")).maps[maps.KEYS].values()) == ["key0"]


def test_keys_and_servers_are_no_part_of_the_structure() -> None:
    bare = replace(BLUE, servers=())
    assert rendered(BLUE).structure == rendered(bare, keys=("other",), traffic={}, mirror={"blue": 5}).structure


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(BLUE, request_timeout=timedelta(seconds=1)), id="request timeout"),
        pytest.param(replace(BLUE, concurrency=2), id="concurrency"),
        pytest.param(replace(BLUE, queue_per_instance=7), id="length of the queue"),
        pytest.param(replace(BLUE, queue_wait=timedelta(seconds=1)), id="wait in the queue"),
    ],
)
def test_limits_of_a_deployment_are_part_of_its_structure_alone(other: Backend) -> None:
    before, after = rendered(BLUE).structure, rendered(other).structure
    assert {part for part in before if before[part] != after[part]} == {"fraud.blue"}


def test_settings_are_part_of_the_structure_of_the_gateway() -> None:
    before, after = rendered(BLUE).structure, rendered(BLUE, settings=replace(SETTINGS, max_body_bytes=9)).structure
    assert {part for part in before if before[part] != after[part]} == {"gateway"}


@pytest.mark.parametrize(("count", "slots"), [(0, "4"), (4, "4"), (5, "8"), (20, "20"), (21, "21")])
def test_there_is_room_for_the_deployments_of_the_largest_endpoint(count: int, slots: str) -> None:
    assert rendered(*(a_backend(f"d{n}") for n in range(count))).structure["slots"] == slots


def test_sockets_of_the_run_folder_are_reached_by_its_link() -> None:
    lines = [line.split() for line in rendered(BLUE).text.splitlines()]
    assert ["server", "fraud.blue.1a2b.0", "unix@run/a.sock"] in lines


def test_other_sockets_are_reached_by_their_path() -> None:
    server = Server(name="a", address="/run/other/a.sock")
    assert rendered(replace(BLUE, servers=(server,))).servers[0].address == "unix@/run/other/a.sock"


def test_containers_are_reached_by_their_port_and_at_their_own_path() -> None:
    server = Server(name="a", address="127.0.0.1:40001")
    config = rendered(replace(BLUE, servers=(server,), scoring_path="/v1/models/fraud:predict"))
    assert config.servers[0].address == "127.0.0.1:40001"
    assert "http-request set-path /v1/models/fraud:predict if { path /score }" in config.text
    assert "set-path /v1" not in rendered(BLUE).text


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(RoutingTable(routes=(a_route("a b"),)), id="space in an endpoint"),
        pytest.param(RoutingTable(routes=(a_route("a.b"),)), id="dot in an endpoint"),
        pytest.param(RoutingTable(routes=(a_route("a;shutdown"),)), id="semicolon"),
        pytest.param(RoutingTable(routes=(a_route("a\n"),)), id="newline at the end"),
        pytest.param(RoutingTable(routes=(a_route("ä"),)), id="letters that are not ASCII"),
        pytest.param(RoutingTable(routes=(a_route(traffic={"x|y": 100}),)), id="bar in a deployment"),
        pytest.param(RoutingTable(routes=(a_route(traffic={"x": 90}),)), id="traffic that sums to 90"),
        pytest.param(RoutingTable(routes=(a_route(traffic={"x": 150, "y": -50}),)), id="negative traffic"),
        pytest.param(RoutingTable(routes=(a_route(mirror={"x": 101}),)), id="a mirror above 100"),
        pytest.param(RoutingTable(routes=(a_route(sticky="header:a b"),)), id="space in a header's name"),
        pytest.param(RoutingTable(routes=(replace(a_route(), keys={"primary": "ab" * 32}),)), id="hash in lower case"),
        pytest.param(RoutingTable(routes=(a_route(), a_route())), id="endpoint twice"),
        pytest.param(a_table(BLUE, BLUE), id="deployment twice"),
        pytest.param(a_table(BLUE, replace(BLUE, deployment="green")), id="instance twice"),
        pytest.param(a_table(a_backend('b"')), id="quote in a deployment"),
        pytest.param(a_table(a_backend("b", Server(name="a b", address="/a"))), id="space in an instance"),
        pytest.param(a_table(a_backend("b", Server(name="a", address="/a b"))), id="space in a socket"),
        pytest.param(a_table(a_backend("b", Server(name="a", address="a"))), id="relative socket"),
        pytest.param(
            a_table(a_backend("b", Server(name="a", address="/home/j o/run/;a"))), id="socket in the run folder"
        ),
        pytest.param(a_table(a_backend("b", Server(name="a", address="10.0.0.1:80"))), id="another host"),
        pytest.param(a_table(a_backend("b", Server(name="a", address="127.0.0.1:65536"))), id="no port"),
        pytest.param(a_table(a_backend("b", Server(name="a", address="127.0.0.1:80 x"))), id="more than a port"),
        pytest.param(a_table(a_backend("b", scoring_path="/a b")), id="space in a path"),
        pytest.param(a_table(a_backend("b", scoring_path="/%[src]")), id="expression in a path"),
        pytest.param(a_table(a_backend("b", concurrency=0)), id="no concurrency"),
    ],
)
def test_what_could_change_the_meaning_of_the_configuration_is_refused(table: RoutingTable) -> None:
    with pytest.raises(PenstockError) as caught:
        render(table, SETTINGS, HOST)
    assert caught.value.code is Code.INVALID


@pytest.mark.parametrize("changes", [{"retry_body_bytes": 10**9}, {"max_body_bytes": 0}, {"port": 70_000}])
def test_settings_that_make_no_sense_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(PenstockError, match="give"):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "bind"),
    [("127.0.0.1", "bind 127.0.0.1:8080"), ("::1", "bind [::1]:8080"), ("x;y", None), ("a b", None)],
)
def test_only_addresses_are_listened_on(host: str, bind: str | None) -> None:
    settings = replace(SETTINGS, host=host)
    if bind is None:
        with pytest.raises(PenstockError, match="is not an address"):
            rendered(settings=settings)
    else:
        assert bind in rendered(settings=settings).text
