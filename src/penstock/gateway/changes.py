"""From what the gateway does to what it shall do: runtime commands, or the reasons why it must reload."""

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.gateway import maps
from penstock.gateway.config import Config, WantedServer
from penstock.gateway.observed import Observed, RunningServer


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What to do. With `reasons` a reload does it all; otherwise `commands` in their order, then `removals`.

    `removals` are commands that HAProxy refuses while a server still has requests; they may be left for later.
    """

    reasons: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    removals: tuple[str, ...] = ()


def plan(wanted: Config, running: Observed) -> Changes:
    """The changes that make the running gateway do what is wanted, without a moment in which requests are lost.

    Servers come first, then what sends requests to them, then what no longer gets any goes. The path of a server's
    socket follows from its name; its port may change.
    """
    reasons = _reload_reasons(wanted.structure, running.structure)
    if reasons:
        return Changes(reasons=reasons)
    before = {(s.backend, s.name): s for s in running.servers}
    after = {(s.backend, s.name): s for s in wanted.servers}
    added = [command for key, server in after.items() for command in _bring_in(server, before.get(key))]
    drained = [command for key, server in after.items() for command in _take_out(server, before.get(key))]
    gone = [server for key, server in before.items() if key not in after]
    parked = [command for server in gone for command in _park(server)]
    return Changes(
        commands=(*added, *_map_commands(wanted.maps, running.maps), *drained, *parked),
        removals=tuple(f"del server {s.backend}/{s.name}" for s in gone),
    )


def _reload_reasons(wanted: Mapping[str, str], running: Mapping[str, str]) -> tuple[str, ...]:
    if wanted == running:
        return ()
    if not running:
        return ("the running configuration is not known",)
    return tuple(
        _reason(part, wanted.get(part), running.get(part))
        for part in sorted({*wanted, *running})
        if wanted.get(part) != running.get(part)
    )


def _reason(part: str, wanted: str | None, running: str | None) -> str:
    if part == "gateway":
        return "settings of the gateway changed"
    if part == "slots":
        return f"room for deployments of one endpoint changed from {running} to {wanted}"
    name = part.replace(".", "/")
    if running is None:
        return f"deployment {name} was added"
    return f"deployment {name} was removed" if wanted is None else f"settings of deployment {name} changed"


def _bring_in(server: WantedServer, running: RunningServer | None) -> list[str]:
    path = f"{server.backend}/{server.name}"
    if running is None:
        return [
            f"add server {path} {server.address} {server.options}",
            f"enable health {path}",
            f"set server {path} state {'drain' if server.draining else 'ready'}",
        ]
    host, _, port = server.address.rpartition(":")
    moved = bool(running.port) and port != str(running.port)
    commands = [f"set server {path} addr {host} port {port}"] if moved else []
    if not server.draining and (running.draining or running.in_maintenance):
        commands.append(f"set server {path} state ready")
    return commands


def _take_out(server: WantedServer, running: RunningServer | None) -> list[str]:
    if running is None or not server.draining or (running.draining and not running.in_maintenance):
        return []
    return [f"set server {server.backend}/{server.name} state drain"]


def _park(server: RunningServer) -> list[str]:
    """Idle connections, which keep a server from being deleted, are closed when maintenance begins. If it began
    while the server had requests, their connections have become idle since, so it begins once more."""
    path = f"{server.backend}/{server.name}"
    again = [f"set server {path} state drain"] if server.in_maintenance else []
    return [*again, f"set server {path} state maint"]


def _map_commands(wanted: maps.Maps, running: maps.Maps) -> list[str]:
    commands: list[str] = []
    for file in maps.ALL:
        old = running.get(file, {})
        for key, value in wanted[file].items():
            if old.get(key) != value:
                commands.append(f"{'set' if key in old else 'add'} map {file} {key} {value}")
    for file in reversed(maps.ALL):
        commands += [f"del map {file} {key}" for key in running.get(file, {}) if key not in wanted[file]]
    return commands
