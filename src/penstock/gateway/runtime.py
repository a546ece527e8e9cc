"""Talking to a running HAProxy over its unix sockets: commands, reloads, and metrics, all within bounded times."""

import re
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from penstock.domain.errors import Code, PenstockError, unavailable
from penstock.gateway import maps
from penstock.gateway.base import Copies, Tally
from penstock.gateway.copies import parse_copies
from penstock.gateway.counting import COMMANDS, parse_tally
from penstock.gateway.inner import copies_socket
from penstock.gateway.observed import (
    Crowd,
    Observed,
    RunningServer,
    parse_active,
    parse_crowds,
    parse_map,
    parse_old_workers,
    parse_servers,
    parse_structure,
    parse_unanswered,
    parse_workers,
)

_DONE = re.compile(
    r"(|New server registered\.|Server deleted\.|no need to change the addr, .* by 'stats socket command')\Z"
)
_TIMEOUT_SECONDS = 5.0
_RELOAD_SECONDS = 60.0
_METRICS_SECONDS = 10.0
_LOOK_SECONDS = 1.0


class Runtime:
    """The sockets of one HAProxy. Every method raises `unavailable` if it does not answer in time."""

    def __init__(self, run_folder: Path) -> None:
        self._admin = run_folder / "admin.sock"
        self._master = run_folder / "master.sock"
        self._metrics = run_folder / "metrics.sock"
        self._folder = run_folder

    def structure(self, timeout_seconds: float = _TIMEOUT_SECONDS) -> Mapping[str, str]:
        """Fingerprints of the configuration that is running."""
        return parse_structure(_ask(self._admin, "show info", timeout_seconds))

    def observe(self) -> Observed:
        """All that a routing table decides. Maps that an older configuration does not have are empty."""
        return Observed(
            structure=self.structure(),
            maps={file: parse_map(_ask(self._admin, f"show map {file}")) for file in maps.ALL},
            servers=self.servers(),
        )

    def servers(self) -> tuple[RunningServer, ...]:
        return parse_servers(self.server_states())

    def asleep(self) -> Collection[str]:
        """Backends whose requests are held."""
        return parse_map(_ask(self._admin, f"show map {maps.ASLEEP}"))

    def let_go(self) -> None:
        """Have all who are held, or come to be, told that the platform is ending."""
        for backend in self.asleep():
            self.command(f"set map {maps.ASLEEP} {backend} {maps.ENDING}")

    def crowds(self) -> Mapping[str, Crowd]:
        """Requests that no server has yet, by backend."""
        return parse_crowds(_ask(self._admin, "show stat"))

    def server_states(self) -> str:
        """The states of all servers as HAProxy writes them, and reads them after a reload."""
        return _ask(self._admin, "show servers state")

    def active(self) -> Mapping[str, int]:
        """Requests that each server works on, by server; those of workers that finish after a reload count too."""
        total = dict(parse_active(_ask(self._admin, "show stat")))
        for pid in self.old_workers():
            for server, count in parse_active(self._ask_master(f"@!{pid} show stat")).items():
                total[server] = total.get(server, 0) + count
        return total

    def tally(self) -> Tally:
        """What the process that takes new requests has counted."""
        try:
            return parse_tally(_ask(self._admin, ";".join(COMMANDS)), finishing=False)
        except ValueError as err:
            raise _silent(self._admin, err) from err

    def finishing_tallies(self) -> Sequence[Tally]:
        """The same of those that only finish what they had before a reload; but for any that ends meanwhile."""
        found: list[Tally] = []
        for pid in self.old_workers():
            with suppress(ValueError):
                text = "".join(self._ask_master(f"@!{pid} {command}") for command in COMMANDS)
                found.append(parse_tally(text, finishing=True))
        return found

    def unanswered(self) -> int:
        """Requests that wait or are worked on, in all workers; also when they take no new connections any more."""
        pids = parse_workers(_ask(self._master, "show proc", _LOOK_SECONDS))
        return sum(parse_unanswered(_ask(self._master, f"@!{pid} show stat", _LOOK_SECONDS)) for pid in pids)

    def old_workers(self) -> tuple[int, ...]:
        """Pids of workers that only finish what they had before a reload."""
        return parse_old_workers(self._ask_master("show proc"))

    def command(self, line: str) -> None:
        """Run a command that changes something. Raises `internal` with HAProxy's words if it was refused."""
        answer = _ask(self._admin, line).strip()
        if not _DONE.match(answer):
            raise PenstockError(Code.INTERNAL, f"the gateway refused {line!r}: {answer[:300]}")

    def remove(self, lines: Sequence[str], bound_seconds: float) -> int:
        """Run commands that are refused while a server is busy, again and again within the bound.

        Returns how many were done; the others are left for another time.
        """
        deadline = time.monotonic() + bound_seconds
        left = list(lines)
        while True:
            left = [line for line in left if _ask(self._admin, line).strip() != "Server deleted."]
            if not left or time.monotonic() > deadline:
                return len(lines) - len(left)
            time.sleep(0.02)

    def reload(self) -> None:
        """Have the master start a new worker and retire the old one. Raises `internal` with the reason if it cannot."""
        answer = self._ask_master("reload", _RELOAD_SECONDS)
        if not answer.startswith("Success=1"):
            raise PenstockError(Code.INTERNAL, f"the gateway could not reload: {answer.strip()[-2000:]}")

    def metrics(self) -> bytes:
        return _got(self._metrics, "/metrics")

    def copies(self, threads: int) -> Mapping[str, Copies]:
        """What became of copies for mirrors, by shadow; each of so many threads is asked."""
        sockets = [self._folder / copies_socket(n) for n in range(1, threads + 1)]
        return parse_copies(_got(path, "/").decode() for path in sockets)

    def _ask_master(self, command: str, timeout_seconds: float = _TIMEOUT_SECONDS) -> str:
        """The master does not listen while it starts, and for a moment of every reload."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while True:
            try:
                return _ask(self._master, command, timeout_seconds)
            except PenstockError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float) -> None:
        super().__init__("localhost", timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = _connected(self._path, self.timeout or _METRICS_SECONDS)


def _got(path: Path, page: str) -> bytes:
    connection = _UnixConnection(path, _METRICS_SECONDS)
    try:
        connection.request("GET", page)
        return connection.getresponse().read()
    except (OSError, HTTPException) as err:
        raise _silent(path, err) from err
    finally:
        connection.close()


def _ask(path: Path, command: str, timeout_seconds: float = _TIMEOUT_SECONDS) -> str:
    """The answer to one command. The whole exchange is bounded, not only each part of it."""
    deadline = time.monotonic() + timeout_seconds
    parts: list[bytes] = []
    try:
        with _connected(path, timeout_seconds) as connection:
            connection.sendall(f"{command}\n".encode())
            connection.shutdown(socket.SHUT_WR)  # the master's socket stays open otherwise
            while part := connection.recv(65536):
                parts.append(part)
                connection.settimeout(max(0.001, deadline - time.monotonic()))
    except OSError as err:
        raise _silent(path, err) from err
    return b"".join(parts).decode(errors="replace")


def _connected(path: Path, timeout_seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout_seconds)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _silent(path: Path, err: Exception) -> PenstockError:
    return unavailable(f"the gateway does not answer on {path.name} ({err}): see its log, or start it again")
