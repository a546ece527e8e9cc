"""What every gateway promises to the controllers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.gateway import a_backend, a_gateway, a_route, a_server, a_socket_folder, a_table, eventually
from support.instances import Instance

from penstock.domain.errors import Code, PenstockError
from penstock.gateway.base import Applied, Counts, Gateway, ServerLoad
from penstock.gateway.table import RoutingTable
from penstock.testing.gateway import FakeGateway


@pytest.fixture
def sockets() -> Iterator[Path]:
    with a_socket_folder() as folder:
        yield folder


@pytest.fixture(params=["haproxy", "fake"])
def gateway(request: pytest.FixtureRequest, sockets: Path, tmp_path: Path) -> Iterator[Gateway]:
    made: Gateway = FakeGateway() if request.param == "fake" else a_gateway(tmp_path, sockets)
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def instances(sockets: Path) -> Iterator[list[Instance]]:
    made = [Instance(name, sockets / f"{name}.sock") for name in ("blue0", "blue1")]
    try:
        yield made
    finally:
        for instance in made:
            instance.close()


def test_a_started_gateway_is_alive_until_it_is_stopped_and_both_may_be_repeated(gateway: Gateway) -> None:
    assert not gateway.alive()
    gateway.start()
    gateway.start()
    assert gateway.alive()
    assert 0 < gateway.port < 65536
    gateway.stop()
    gateway.stop()
    assert not gateway.alive()


def test_a_gateway_that_does_not_run_says_so(gateway: Gateway) -> None:
    for call in (lambda: gateway.apply(RoutingTable()), gateway.observe, gateway.tallies, gateway.metrics):
        with pytest.raises(PenstockError) as caught:
            call()
        assert caught.value.code is Code.UNAVAILABLE


def test_servers_are_reported_as_the_table_has_them(gateway: Gateway, instances: list[Instance]) -> None:
    gateway.start()
    blue = a_backend("blue", *(a_server(i) for i in instances))
    gateway.apply(a_table(blue))
    assert eventually(lambda: {name: (s.up, s.draining) for name, s in gateway.observe().items()}) == {
        "blue0": (True, False),
        "blue1": (True, False),
    }
    drained = replace(blue, servers=(blue.servers[0], replace(blue.servers[1], draining=True)))
    assert not gateway.apply(a_table(drained)).reloaded
    assert gateway.observe()["blue1"].draining
    assert not gateway.apply(a_table(replace(blue, servers=blue.servers[:1]))).reloaded
    assert set(gateway.observe()) == {"blue0"}


def test_what_was_counted_is_told_by_deployment(gateway: Gateway, instances: list[Instance]) -> None:
    gateway.start()
    blue = a_backend("blue", *(a_server(i) for i in instances))
    gateway.apply(a_table(replace(blue, servers=(blue.servers[0], replace(blue.servers[1], draining=True)))))

    def current() -> Mapping[str, Counts]:
        return next(tally.deployments for tally in gateway.tallies() if not tally.finishing)

    idle = Counts(
        answered=0,
        refused=0,
        failed=0,
        waiting=0,
        servers={n: ServerLoad(active=0, waiting=0, up=n == "blue0") for n in ("blue0", "blue1")},
    )
    assert eventually(current, lambda seen: seen == {"fraud/blue": idle}) == {"fraud/blue": idle}
    process = gateway.tallies()[0].process
    gateway.apply(a_table(a_backend("blue")))
    assert current() == {"fraud/blue": replace(idle, servers={})}
    assert gateway.tallies()[0].process == process


def test_applying_the_same_table_again_does_nothing(gateway: Gateway, instances: list[Instance]) -> None:
    gateway.start()
    table = a_table(a_backend("blue", a_server(instances[0])), mirror={"blue": 10})
    assert gateway.apply(table).reasons == ("deployment fraud/blue was added",)
    assert gateway.apply(table) == Applied()


def test_a_removed_deployment_is_named_in_the_reasons(gateway: Gateway) -> None:
    gateway.start()
    gateway.apply(a_table(a_backend("blue"), a_backend("green")))
    assert gateway.apply(a_table(a_backend("blue"))).reasons == ("deployment fraud/green was removed",)


def test_a_table_that_could_inject_configuration_is_refused(gateway: Gateway) -> None:
    gateway.start()
    for table in (
        RoutingTable(routes=(a_route(endpoint="a b"),)),
        RoutingTable(routes=(a_route(endpoint="a;b"),)),
        RoutingTable(routes=(replace(a_route(), keys={"primary": "x\n"}),)),
        RoutingTable(backends=(a_backend('b"\nfrontend x'),)),
    ):
        with pytest.raises(PenstockError) as caught:
            gateway.apply(table)
        assert caught.value.code is Code.INVALID
    assert gateway.apply(RoutingTable()) == Applied()


def test_metrics_are_in_the_text_format(gateway: Gateway) -> None:
    gateway.start()
    assert b"# TYPE haproxy_" in gateway.metrics()
