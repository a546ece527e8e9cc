"""A gateway in memory: remembers the table, and reports its servers as the test says they are."""

from collections.abc import Mapping, Sequence

from penstock.domain.errors import unavailable
from penstock.gateway.base import Applied, Copies, Counts, ServerLoad, ServerState, Tally
from penstock.gateway.table import Backend, RoutingTable, Server
from penstock.gateway.validity import check_table

_PORT = 8080


class FakeGateway:
    """A `Gateway` for tests of controllers.

    `table` is what was applied last and `tables` all that was. `active`, `down`, `waiting`, `counts`, `copied` may be
    set: how many requests a server works on, which servers do not answer, how many requests are held for a deployment,
    what was counted for it, and what became of copies for mirrors.
    """

    def __init__(self) -> None:
        self.table = RoutingTable()
        self.tables: list[RoutingTable] = []
        self.active: dict[str, int] = {}
        self.down: set[str] = set()
        self.waiting: dict[str, int] = {}
        self.counts: dict[str, Counts] = {}
        self.copied: dict[str, Copies] = {}
        self._running = False

    @property
    def port(self) -> int:
        return _PORT

    def start(self) -> None:
        self._running = True

    def kill(self) -> None:
        """End the gateway as a crash would; `start` brings it back with its table."""
        self._running = False

    def apply(self, table: RoutingTable) -> Applied:
        self._check_running()
        check_table(table)
        before, self.table = self.table, table
        self.tables.append(table)
        if before == table:
            return Applied()
        old, new = _deployments(before), _deployments(table)
        added = tuple(f"deployment {name} was added" for name in sorted(new - old))
        removed = tuple(f"deployment {name} was removed" for name in sorted(old - new))
        return Applied(reasons=added + removed, commands=1)

    def observe(self) -> Mapping[str, ServerState]:
        self._check_running()
        return {
            server.name: self._state(server, asleep=backend.asleep)
            for backend in self.table.backends
            for server in backend.servers
        }

    def held(self) -> Mapping[str, int]:
        self._check_running()
        asleep = [backend.name for backend in self.table.backends if backend.asleep and backend.hold is not None]
        return {name: self.waiting.get(name, 0) for name in asleep}

    def tallies(self) -> Sequence[Tally]:
        self._check_running()
        counts = {b.name: self.counts.get(b.name) or self._nothing(b) for b in self.table.backends}
        return (Tally(process="only", finishing=False, deployments=counts),)

    def alive(self) -> bool:
        return self._running

    def copies(self) -> Mapping[str, Copies]:
        self._check_running()
        return dict(self.copied)

    def metrics(self) -> bytes:
        self._check_running()
        return b"# TYPE haproxy_process_nbproc gauge\nhaproxy_process_nbproc 1\n"

    def stop(self) -> None:
        self._running = False

    def _state(self, server: Server, *, asleep: bool) -> ServerState:
        up = server.name not in self.down
        return ServerState(up=up, draining=server.draining or asleep, active=self.active.get(server.name, 0))

    def _nothing(self, backend: Backend) -> Counts:
        loads: dict[str, ServerLoad] = {}
        for server in backend.servers:
            state = self._state(server, asleep=backend.asleep)
            loads[server.name] = ServerLoad(active=state.active, waiting=0, up=state.up and not state.draining)
        return Counts(answered=0, refused=0, failed=0, waiting=0, servers=loads)

    def _check_running(self) -> None:
        if not self._running:
            raise unavailable("the gateway does not run: start it")


def _deployments(table: RoutingTable) -> set[str]:
    return {backend.name for backend in table.backends}
