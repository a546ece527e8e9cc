"""From tables to commands and reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gateway import a_backend, a_route, a_table

from penstock.gateway import maps
from penstock.gateway.changes import Changes, plan
from penstock.gateway.config import Config, Host, render
from penstock.gateway.observed import Observed, RunningServer
from penstock.gateway.settings import GatewaySettings
from penstock.gateway.table import Backend, RoutingTable, Server

SETTINGS = GatewaySettings(folder=Path("/h/gateway"), run_folder=Path("/h/run"), owner="/h")
OPTIONS = "check inter 500ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down maxconn 8"
A = Server(name="a", address="/h/run/a.sock")
BLUE = a_backend("blue", A)


@dataclass
class Model:
    """A gateway as the commands mean it. Servers in `busy` cannot be deleted."""

    structure: Mapping[str, str] = field(default_factory=dict[str, str])
    maps: dict[str, dict[str, str]] = field(default_factory=lambda: {file: {} for file in maps.ALL})
    servers: dict[str, RunningServer] = field(default_factory=dict[str, RunningServer])
    busy: frozenset[str] = frozenset()

    def observe(self) -> Observed:
        return Observed(structure=self.structure, maps=self.maps, servers=tuple(self.servers.values()))

    def reload(self, config: Config) -> None:
        """States of servers are kept, as by the file of states."""
        self.structure = config.structure
        self.maps = {file: dict(entries) for file, entries in config.maps.items()}
        old = self.servers
        fresh = {
            f"{s.backend}/{s.name}": RunningServer(backend=s.backend, name=s.name, up=True) for s in config.servers
        }
        self.servers = {path: old.get(path, server) for path, server in fresh.items()}

    def run(self, command: str) -> None:
        match command.split():
            case ["add", "server", path, *_]:
                assert path not in self.servers
                backend, _, name = path.partition("/")
                assert backend in self.structure
                self.servers[path] = RunningServer(backend=backend, name=name, up=True, in_maintenance=True)
            case ["set", "server", path, "state", state]:
                marks = {"draining": state == "drain", "in_maintenance": state == "maint"}
                self.servers[path] = replace(self.servers[path], **marks)
            case ["del", "server", path]:
                if path not in self.busy:
                    assert self.servers.pop(path).in_maintenance
            case ["add", "map", file, key, value]:
                assert self.maps[file].setdefault(key, value) is value
            case ["set", "map", file, key, value]:
                assert key in self.maps[file]
                self.maps[file][key] = value
            case ["del", "map", file, key]:
                del self.maps[file][key]
            case words:
                assert words[:2] == ["enable", "health"]


def config(table: RoutingTable) -> Config:
    return render(table, SETTINGS, Host(port=1, max_connections=64, threads=1))


def running(table: RoutingTable) -> Model:
    model = Model()
    apply(model, table)
    return model


def apply(model: Model, table: RoutingTable) -> Changes:
    first = plan(config(table), model.observe())
    if first.reasons:
        model.reload(config(table))
    rest = plan(config(table), model.observe())
    assert not rest.reasons
    for command in (*rest.commands, *rest.removals):
        model.run(command)
    return first


def swapped(*servers: Server) -> RoutingTable:
    return a_table(replace(BLUE, servers=servers))


B = Server(name="b", address="/h/run/b.sock")
KEY = {key: entry for key in ("k1", "k2") for entry in config(a_table(keys=(key,))).maps[maps.KEYS]}


@pytest.mark.parametrize(
    ("before", "after", "commands", "removals"),
    [
        pytest.param(a_table(BLUE), a_table(BLUE), [], [], id="the same is nothing"),
        pytest.param(
            swapped(A),
            swapped(A, B),
            [
                f"add server fraud.blue/b unix@run/b.sock {OPTIONS}",
                "enable health fraud.blue/b",
                "set server fraud.blue/b state ready",
            ],
            [],
            id="a new instance gets requests",
        ),
        pytest.param(
            swapped(A),
            swapped(replace(A, draining=True)),
            ["set server fraud.blue/a state drain"],
            [],
            id="a draining instance gets none",
        ),
        pytest.param(
            swapped(replace(A, draining=True)),
            swapped(A),
            ["set server fraud.blue/a state ready"],
            [],
            id="one that drains no longer gets some again",
        ),
        pytest.param(
            swapped(A, B),
            swapped(A),
            ["set server fraud.blue/b state maint"],
            ["del server fraud.blue/b"],
            id="a gone instance is removed",
        ),
        pytest.param(
            a_table(BLUE, traffic={"blue": 100}),
            a_table(BLUE, traffic={"blue": 90, "green": 10}),
            [f"set map {maps.TRAFFIC} fraud 90|blue|100|green", f"del map {maps.SOLE} fraud"],
            [],
            id="traffic is split in one command, and what is simpler for one deployment goes",
        ),
        pytest.param(
            a_table(BLUE),
            a_table(BLUE, traffic={}),
            [f"del map {maps.SOLE} fraud", f"del map {maps.TRAFFIC} fraud"],
            [],
            id="no traffic is no entry",
        ),
        pytest.param(
            a_table(BLUE, keys=("k1",)),
            a_table(BLUE, keys=("k2",)),
            [f"add map {maps.KEYS} {KEY['k2']} key0", f"del map {maps.KEYS} {KEY['k1']}"],
            [],
            id="a new key is there before the old one goes",
        ),
        pytest.param(
            a_table(BLUE),
            a_table(BLUE, mirror={"blue": 5}),
            [f"add map {maps.MIRRORS} fraud 5|fraud.blue", f"del map {maps.SOLE} fraud"],
            [],
            id="a mirror needs no reload",
        ),
        pytest.param(
            a_table(BLUE, traffic={"blue": 50, "green": 50}),
            a_table(BLUE, traffic={"blue": 50, "green": 50}, sticky="header:x-user-id"),
            [f"add map {maps.STICKY} fraud header:x-user-id"],
            [],
            id="assigning callers needs no reload",
        ),
    ],
)
def test_small_changes_are_commands(
    before: RoutingTable, after: RoutingTable, commands: list[str], removals: list[str]
) -> None:
    assert plan(config(after), running(before).observe()) == Changes(commands=(*commands,), removals=(*removals,))


GREEN = a_backend("green")


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        pytest.param(a_table(BLUE), a_table(BLUE, GREEN), ["deployment fraud/green was added"], id="added"),
        pytest.param(a_table(BLUE, GREEN), a_table(BLUE), ["deployment fraud/green was removed"], id="removed"),
        pytest.param(
            a_table(BLUE),
            a_table(replace(BLUE, concurrency=2)),
            ["settings of deployment fraud/blue changed"],
            id="changed",
        ),
        pytest.param(
            a_table(*(a_backend(f"d{n}") for n in range(4))),
            a_table(*(a_backend(f"d{n}") for n in range(5))),
            ["deployment fraud/d4 was added", "room for deployments of one endpoint changed from 4 to 8"],
            id="out of slots",
        ),
    ],
)
def test_changes_of_structure_are_reasons_to_reload(
    before: RoutingTable, after: RoutingTable, reasons: list[str]
) -> None:
    assert plan(config(after), running(before).observe()) == Changes(reasons=(*reasons,))


def test_an_instance_that_has_moved_to_another_port_is_followed() -> None:
    server = replace(A, address="127.0.0.1:40002")
    wanted = config(swapped(server))
    for port, commands in ((40001, ("set server fraud.blue/a addr 127.0.0.1 port 40002",)), (40002, ())):
        found = RunningServer(backend="fraud.blue", name="a", up=True, port=port)
        observed = Observed(structure=wanted.structure, maps=wanted.maps, servers=(found,))
        assert plan(wanted, observed).commands == commands


def test_a_running_configuration_that_is_not_ours_is_replaced() -> None:
    assert plan(config(a_table()), Model().observe()).reasons == ("the running configuration is not known",)


def test_a_server_that_was_busy_is_removed_the_next_time_with_its_idle_connections() -> None:
    model = running(swapped(A, B))
    model.busy = frozenset({"fraud.blue/b"})
    apply(model, swapped(A))
    assert "fraud.blue/b" in model.servers
    assert plan(config(swapped(A)), model.observe()) == Changes(
        commands=("set server fraud.blue/b state drain", "set server fraud.blue/b state maint"),
        removals=("del server fraud.blue/b",),
    )


ENDPOINTS, DEPLOYMENTS = ("one", "Two"), ("blue", "green")


@st.composite
def tables(draw: st.DrawFn) -> RoutingTable:
    routes = [
        a_route(
            endpoint,
            keys=tuple(draw(st.lists(st.sampled_from("abc"), max_size=2))),
            traffic=draw(st.sampled_from([{}, {"blue": 100}, {"blue": 30, "green": 70}])),
            mirror=draw(st.sampled_from([{}, {"green": 10}, {"green": 100, "blue": 20}])),
            sticky=draw(st.sampled_from(["", "header:x-user-id", "cookie:uid"])),
        )
        for endpoint in draw(st.sets(st.sampled_from(ENDPOINTS)))
    ]
    names = draw(st.sets(st.tuples(st.sampled_from(ENDPOINTS), st.sampled_from(DEPLOYMENTS))))
    return RoutingTable(routes=tuple(routes), backends=tuple(draw(backends(e, d)) for e, d in sorted(names)))


@st.composite
def backends(draw: st.DrawFn, endpoint: str, deployment: str) -> Backend:
    ordinals = draw(st.sets(st.integers(0, 2)))
    names = [f"{endpoint}.{deployment}.{n}" for n in sorted(ordinals)]
    servers = [Server(name=name, address=f"/h/run/{name}", draining=draw(st.booleans())) for name in names]
    return a_backend(deployment, *servers, endpoint=endpoint, concurrency=draw(st.sampled_from([1, 8])))


@settings(max_examples=40, deadline=None)
@given(before=tables(), after=tables(), busy=st.sets(st.integers(0, 2)))
def test_the_changes_between_any_two_tables_end_in_the_second(
    before: RoutingTable, after: RoutingTable, busy: set[int]
) -> None:
    model = running(before)
    model.busy = frozenset(path for path in model.servers if int(path[-1]) in busy)
    apply(model, after)
    model.busy = frozenset()
    apply(model, after)
    wanted = config(after)
    assert model.maps == wanted.maps
    assert model.structure == wanted.structure
    assert {(s.backend, s.name, s.draining, s.in_maintenance) for s in model.servers.values()} == {
        (s.backend, s.name, s.draining, False) for s in wanted.servers
    }
    assert plan(wanted, model.observe()) == Changes()


@settings(max_examples=40, deadline=None)
@given(before=tables(), after=tables())
def test_what_is_right_before_and_after_is_right_in_between(before: RoutingTable, after: RoutingTable) -> None:
    old, new, model = config(before), config(after), running(before)
    model.structure = new.structure  # as if no reload were needed
    changes = plan(new, model.observe())
    kept = [(file, key) for file in maps.ALL for key in old.maps[file] if key in new.maps[file]]
    serving = {s.name for s in old.servers if not s.draining} & {s.name for s in new.servers if not s.draining}
    for command in changes.commands:
        model.run(command)
        assert all(key in model.maps[file] for file, key in kept)
        assert serving <= {s.name for s in model.servers.values() if not s.draining and not s.in_maintenance}
