"""What the running gateway says of itself, parsed from the answers of its admin socket."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.gateway.backends import INNER_SERVERS

_RUNNING = 2  # HAProxy's numbers for the state of a server
_MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x20
_DRAIN = 0x08 | 0x10


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server in the running gateway."""

    backend: str
    name: str
    up: bool
    port: int = 0  # 0: a unix socket, whose path follows from the server's name
    draining: bool = False
    in_maintenance: bool = False


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The running gateway, as far as a routing table decides it."""

    structure: Mapping[str, str]
    maps: Mapping[str, Mapping[str, str]]
    servers: tuple[RunningServer, ...]


def parse_structure(description: str) -> Mapping[str, str]:
    """The answer to `show info`: the structure that the description spells, empty if it spells none."""
    line = next((part for part in description.splitlines() if part.startswith("description:")), "")
    pairs = (word.partition("=") for word in line.removeprefix("description:").split())
    return {part: digest for part, equals, digest in pairs if equals}


def parse_map(text: str) -> Mapping[str, str]:
    """The answer to `show map`: lines of address, key, value."""
    rows = (line.split(" ", 2) for line in text.splitlines() if line.startswith("0x"))
    return {row[1]: row[2] for row in rows if len(row) == 3}


def parse_servers(text: str) -> tuple[RunningServer, ...]:
    """The answer to `show servers state`: the instances. Columns are found by name, as later versions add some."""
    lines = text.splitlines()
    head = next((line for line in lines if line.startswith("# ")), "# ").removeprefix("# ").split()
    rows = [dict(zip(head, line.split(), strict=False)) for line in lines[1:] if line and not line.startswith("#")]
    return tuple(_server(row) for row in rows if row.get("srv_name") not in (None, *INNER_SERVERS))


def parse_active(text: str) -> Mapping[str, int]:
    """The answer to `show stat`: requests that each server works on or that wait for it alone, by server."""
    rows = csv.DictReader(text.removeprefix("# ").splitlines())
    return {
        row["svname"]: int(row["scur"] or 0) + int(row["qcur"] or 0)
        for row in rows
        if row.get("svname") not in (None, "FRONTEND", "BACKEND", *INNER_SERVERS)
    }


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Requests in a backend: `queued` for a free instance, and `held` because it has none."""

    queued: int
    held: int


def parse_crowds(text: str) -> Mapping[str, Crowd]:
    """The answer to `show stat`: requests that no server has yet, by backend."""
    rows = [row for row in csv.DictReader(text.removeprefix("# ").splitlines()) if row.get("svname") != "FRONTEND"]
    taken: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["svname"] != "BACKEND":
            taken[row["pxname"]] += int(row["scur"] or 0) + int(row["qcur"] or 0)
    crowds: dict[str, Crowd] = {}
    for row in (row for row in rows if row["svname"] == "BACKEND"):
        queued, name = int(row["qcur"] or 0), row["pxname"]
        crowds[name] = Crowd(queued=queued, held=max(0, int(row["scur"] or 0) - queued - taken[name]))
    return crowds


def parse_unanswered(text: str) -> int:
    """The answer to `show stat`: requests that wait for any server, or that one works on."""
    rows = list(csv.DictReader(text.removeprefix("# ").splitlines()))
    return sum(parse_active(text).values()) + sum(int(r["qcur"] or 0) for r in rows if r.get("svname") == "BACKEND")


def parse_workers(text: str) -> tuple[int, ...]:
    """The answer to `show proc`: pids of all workers."""
    rows = (line.split() for line in text.splitlines())
    return tuple(int(row[0]) for row in rows if len(row) > 1 and row[1] == "worker")


def parse_old_workers(text: str) -> tuple[int, ...]:
    """The answer to `show proc`: pids of workers that only finish what they had before a reload."""
    return parse_workers(text.partition("# old workers")[2].partition("# programs")[0])


def _server(row: Mapping[str, str]) -> RunningServer:
    admin = int(row["srv_admin_state"])
    return RunningServer(
        backend=row["be_name"],
        name=row["srv_name"],
        up=int(row["srv_op_state"]) == _RUNNING,
        port=int(row.get("srv_port", 0)),
        draining=bool(admin & _DRAIN),
        in_maintenance=bool(admin & _MAINTENANCE),
    )
