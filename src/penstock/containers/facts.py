"""What is known of a container tool and its host, and what follows from it for how containers are run there."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

_MOST_FILES = 65536
_MOST_PROCESSES = 20000


class Cgroups(StrEnum):
    """How the host groups processes; hybrid is version 1 with version 2 beside it."""

    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"


@dataclass(frozen=True, kw_only=True)
class Host:
    """The machine, whichever tool it has. The limits are the most that this process may give (`ulimit -H`)."""

    cgroups: Cgroups
    programs: frozenset[str]  # those of `PROGRAMS` that are installed
    tunnels: bool  # /dev/net/tun may be opened, which networks in user mode need
    open_files: int
    processes: int


# Programs that a tool works with if they are there.
PROGRAMS = ("runc", "crun", "iptables", "nft", "slirp4netns", "pasta", "catatonit")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a tool says of itself, and its host."""

    tool: str  # podman or docker
    version: str
    rootless: bool
    runtime: str  # its default one: crun, runc
    init: bool  # it brings a first process for containers
    host: Host


def facts_of(tool: str, info: Mapping[str, Any], host: Host) -> Facts:
    """From the JSON of `podman info` or `docker info`."""
    if tool == "docker":
        return Facts(
            tool=tool,
            version=str(info.get("ServerVersion", "")),
            rootless="name=rootless" in (info.get("SecurityOptions") or ()),
            runtime=str(info.get("DefaultRuntime", "")),
            init=bool(info.get("InitBinary")),
            host=host,
        )
    inner = _part(info, "host")
    return Facts(
        tool=tool,
        version=str(_part(info, "version").get("Version", "")),
        rootless=bool(_part(inner, "security").get("rootless")),
        runtime=str(_part(inner, "ociRuntime").get("name", "")),
        init="catatonit" in host.programs,
        host=host,
    )


def fault_of(facts: Facts) -> str | None:
    """Why the tool cannot run containers here, with the remedy; None if nothing speaks against it."""
    if facts.tool == "podman" and facts.runtime == "crun" and runtime_for(facts) is None:
        hybrid = facts.host.cgroups is Cgroups.HYBRID
        return "its runtime crun does not work with this machine's hybrid cgroups: install runc" if hybrid else None
    return None


def runtime_for(facts: Facts) -> str | None:
    """The runtime to ask for; None for the tool's own. crun refuses hosts with hybrid cgroups, runc takes them."""
    refused = facts.tool == "podman" and facts.runtime == "crun" and facts.host.cgroups is Cgroups.HYBRID
    return "runc" if refused and "runc" in facts.host.programs else None


def network_for(facts: Facts) -> str:
    """The best network for a container with published ports.

    A bridge needs root and a firewall program; without them a user-mode network does, else the host's own.
    """
    programs = facts.host.programs
    if facts.tool == "docker":
        return "bridge"
    if not facts.rootless and programs & {"iptables", "nft"}:
        return "bridge"
    if not facts.host.tunnels:
        return "host"
    if "slirp4netns" in programs:
        return "slirp4netns"
    return "pasta" if facts.rootless and "pasta" in programs else "host"


def can_limit(facts: Facts) -> bool:
    """True if memory and CPU limits are kept: a user's own containers can be limited by version 2 of cgroups alone."""
    return not facts.rootless or facts.host.cgroups is Cgroups.V2


def limits_for(facts: Facts) -> tuple[str, ...]:
    """Arguments of `run` that set resource limits which may be given here.

    Podman gives containers more open files and processes than a service without CAP_SYS_RESOURCE may give.
    """
    if facts.tool == "docker":  # its daemon gives them
        return ()
    files, processes = min(facts.host.open_files, _MOST_FILES), min(facts.host.processes, _MOST_PROCESSES)
    return ("--ulimit", f"nofile={files}:{files}", "--ulimit", f"nproc={processes}:{processes}")


def _part(info: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = info.get(name)
    return cast(Mapping[str, Any], found) if isinstance(found, dict) else {}
